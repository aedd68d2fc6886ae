"""QLoRA with a head: a decoder in 4 bits, low-rank updates, and a classification head on its last token."""

from typing import TYPE_CHECKING

from nli_console.methods import qlora
from nli_console.methods.base import Method, ModelLoader, ParameterCounts, TrainingPlan, hyperparameter

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes


class ClassifierHyperparameters(qlora.QloraHyperparameters):
    """As for QLoRA in general, with half its rate: the head is new and learns fast."""

    learning_rate: float = hyperparameter(1e-4, "peak learning rate", group="optimiser", gt=0, le=1)
    template: str = hyperparameter("pair", "prompt template that pairs are put into, by name", group="prompt")


class QloraClassifier(Method):
    position = 90
    name = "qlora_classifier"
    title = "QLoRA with a head"
    summary = (
        "trains low-rank updates of a decoder stored in 4 bits, and a classification head on its last token"
    )
    reference = "Dettmers et al. 2023, arXiv 2305.14314"
    family = "decoder"
    product = "adapter"
    Hyperparameters = ClassifierHyperparameters
    quantises = True
    report_accuracy = 0.3469

    def build(self, loader: ModelLoader, hyperparameters: ClassifierHyperparameters) -> "Module":
        model = qlora.load_quantised(loader, "classifier", double=hyperparameters.double_quantisation)
        return qlora.with_updates(model, loader.shapes("classifier"), hyperparameters, head=True)

    def count(self, shapes: "ModelShapes", hyperparameters: ClassifierHyperparameters) -> ParameterCounts:
        return qlora.count(shapes, hyperparameters, head=True)

    def plan(self, shapes: "ModelShapes", hyperparameters: ClassifierHyperparameters) -> TrainingPlan:
        return qlora.plan(shapes, hyperparameters, head=True)
