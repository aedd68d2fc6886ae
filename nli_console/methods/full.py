"""Full fine-tuning: every parameter of the encoder and its classification head is trained."""

from typing import TYPE_CHECKING

from nli_console.methods.base import (
    Method,
    ModelLoader,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
    hyperparameter,
)

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes


class FullHyperparameters(TrainingHyperparameters):
    """Defaults after the RoBERTa paper's MNLI recipe (Liu et al. 2019, table 10)."""

    weight_decay: float = hyperparameter(0.1, "decoupled weight decay", group="optimiser", ge=0, le=1)
    adam_beta2: float = hyperparameter(
        0.98, "second-moment decay of AdamW", group="optimiser", gt=0, lt=1, advanced=True
    )
    adam_epsilon: float = hyperparameter(
        1e-6, "denominator constant of AdamW", group="optimiser", gt=0, le=1, advanced=True
    )


class Full(Method):
    position = 10
    name = "full"
    title = "Full fine-tuning"
    summary = "trains every parameter of the encoder and its head"
    reference = "Devlin et al. 2019, arXiv 1810.04805; Liu et al. 2019, arXiv 1907.11692"
    family = "encoder"
    product = "model"
    Hyperparameters = FullHyperparameters
    report_accuracy = 0.8818
    published_accuracy = 0.902
    published_source = "Liu et al. 2019, arXiv 1907.11692"

    def build(self, loader: ModelLoader, hyperparameters: FullHyperparameters) -> "Module":
        import torch

        # Updates of 1e-5 vanish in bf16 weights, so the weights stay fp32 and only arithmetic is autocast.
        model = loader.classifier(dtype=torch.float32)
        model.requires_grad_(True)
        return model

    def count(self, shapes: "ModelShapes", hyperparameters: FullHyperparameters) -> ParameterCounts:
        return ParameterCounts(trainable=shapes.total, total=shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: FullHyperparameters) -> TrainingPlan:
        return TrainingPlan(trained=frozenset(module.name for module in shapes.modules), embeddings=True)
