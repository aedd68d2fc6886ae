"""Zero-shot with a masked language model: which label word it would put between premise and hypothesis."""

from typing import TYPE_CHECKING

from nli_console.methods.base import Method, ModelLoader, ParameterCounts, TrainingPlan, hyperparameter
from nli_console.methods.prompting import ScoringHyperparameters

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes


class VerbalizerHyperparameters(ScoringHyperparameters):
    """Encoders have few positions, so prompts are short and demonstrations few."""

    template: str = hyperparameter("yes-maybe-no", "prompt template, by name", group="prompt")
    max_length: int = hyperparameter(
        512, "prompts longer than this have their pair cut", group="input", unit="tokens", ge=8, le=8192
    )


class Verbalizer(Method):
    position = 75
    name = "verbalizer"
    title = "Masked verbalizer"
    summary = "asks an encoder to fill in a label word at a mask; trains nothing"
    reference = "Schick and Schütze 2021, arXiv 2001.07676"
    family = "encoder"
    product = None
    Hyperparameters = VerbalizerHyperparameters
    task = "masked"
    trains = False

    def build(self, loader: ModelLoader, hyperparameters: VerbalizerHyperparameters) -> "Module":
        return loader.masked(dtype=loader.compute_dtype).requires_grad_(False)

    def count(self, shapes: "ModelShapes", hyperparameters: VerbalizerHyperparameters) -> ParameterCounts:
        return ParameterCounts(trainable=0, total=shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: VerbalizerHyperparameters) -> TrainingPlan:
        return TrainingPlan(frozen_in_precision=True)
