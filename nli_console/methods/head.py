"""Head only: the added layers are trained on features of the frozen encoder, which are computed once."""

from typing import TYPE_CHECKING

from nli_console.methods.base import (
    Method,
    ModelLoader,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
    hyperparameter,
)
from nli_console.methods.encoders import added_layers, names_of, size_of, train_only

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes


class HeadHyperparameters(TrainingHyperparameters):
    """An epoch reads one vector per row, so there can be many of them, with large batches."""

    learning_rate: float = hyperparameter(1e-3, "peak learning rate", group="optimiser", gt=0, le=1)
    batch_size: int = hyperparameter(
        256, "examples in one forward pass", group="optimiser", unit="examples", ge=1, le=4096
    )
    epochs: float = hyperparameter(
        20.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )

    def conflicts(self) -> list[tuple[str, str]]:
        found = super().conflicts()
        if self.gradient_checkpointing:
            found.append(
                ("gradient_checkpointing", "saves nothing here: no gradient passes through the encoder")
            )
        return found


class Head(Method):
    position = 20
    name = "head"
    title = "Classifier head"
    summary = "trains only the added layers, on features of the frozen encoder"
    reference = "Peters et al. 2019, arXiv 1903.05987"
    family = "encoder"
    product = "model"
    Hyperparameters = HeadHyperparameters
    on_features = True

    def build(self, loader: ModelLoader, hyperparameters: HeadHyperparameters) -> "Module":
        import torch

        from nli_console.methods.shapes import ModelShapes

        model = loader.classifier(dtype=torch.float32)
        train_only(model, names_of(added_layers(ModelShapes.of(model, loader.model_name))))
        return model

    def count(self, shapes: "ModelShapes", hyperparameters: HeadHyperparameters) -> ParameterCounts:
        return ParameterCounts(trainable=size_of(added_layers(shapes)), total=shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: HeadHyperparameters) -> TrainingPlan:
        return TrainingPlan(trained=names_of(added_layers(shapes)))
