"""Top layers: the last blocks of the encoder and the head are trained, everything below is frozen."""

from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.methods.base import (
    Method,
    ModelLoader,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
    hyperparameter,
)
from nli_console.methods.encoders import added_layers, blocks, names_of, size_of, train_only

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes, ModuleShape


class TopLayersHyperparameters(TrainingHyperparameters):
    """Full fine-tuning's recipe with a rate that fewer parameters stand."""

    learning_rate: float = hyperparameter(2e-5, "peak learning rate", group="optimiser", gt=0, le=1)
    num_layers: int = hyperparameter(
        4, "last blocks of the encoder that are trained", group="layers", unit="blocks", ge=1, le=1000
    )


class TopLayers(Method):
    position = 30
    name = "top_layers"
    title = "Top layers"
    summary = "trains the last blocks and the head; embeddings and lower blocks stay frozen"
    reference = "Lee et al. 2019, arXiv 1911.03090"
    family = "encoder"
    product = "model"
    Hyperparameters = TopLayersHyperparameters

    def build(self, loader: ModelLoader, hyperparameters: TopLayersHyperparameters) -> "Module":
        import torch

        from nli_console.methods.shapes import ModelShapes

        model = loader.classifier(dtype=torch.float32)
        train_only(model, names_of(_trained(ModelShapes.of(model, loader.model_name), hyperparameters)))
        return model

    def count(self, shapes: "ModelShapes", hyperparameters: TopLayersHyperparameters) -> ParameterCounts:
        """The chosen blocks and the head.

        Raises:
            ConsoleError: the model has fewer blocks, or none that can be told apart.
        """
        return ParameterCounts(trainable=size_of(_trained(shapes, hyperparameters)), total=shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: TopLayersHyperparameters) -> TrainingPlan:
        return TrainingPlan(trained=names_of(_trained(shapes, hyperparameters)))


def _trained(shapes: "ModelShapes", hyperparameters: TopLayersHyperparameters) -> list["ModuleShape"]:
    every, wanted = blocks(shapes), hyperparameters.num_layers
    if wanted > len(every):
        raise ConsoleError(
            f"--num-layers {wanted}: {shapes.name} has {len(every)} blocks; use at most {len(every)}"
        )
    return [*(module for block in every[-wanted:] for module in block), *added_layers(shapes)]
