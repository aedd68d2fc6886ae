"""Prefix tuning: trained keys and values before those of the text in every block; the head is trained too."""

from typing import TYPE_CHECKING, Any

from nli_console.errors import ConsoleError
from nli_console.methods.base import (
    Method,
    ModelLoader,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
    hyperparameter,
)
from nli_console.methods.encoders import added_names, prompt_counts, prompt_plan

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes

SUPPORTED = ("RobertaForSequenceClassification", "BertForSequenceClassification")
"""Classifiers whose blocks take keys and values from outside."""


class PrefixTuningHyperparameters(TrainingHyperparameters):
    """Defaults after P-tuning v2's RoBERTa-large recipes (Liu et al. 2022), which use no projection."""

    learning_rate: float = hyperparameter(1e-2, "peak learning rate", group="optimiser", gt=0, le=1)
    epochs: float = hyperparameter(
        8.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )
    weight_decay: float = hyperparameter(0.0, "decoupled weight decay", group="optimiser", ge=0, le=1)
    num_virtual_tokens: int = hyperparameter(
        20, "trained keys and values in every block", group="prompt", unit="tokens", ge=1, le=4096
    )
    prefix_projection: bool = hyperparameter(
        False, "compute them by a two-layer network (Li & Liang 2021)", group="prompt"
    )
    encoder_hidden_size: int = hyperparameter(
        512, "width of that network", group="prompt", unit="features", ge=1, le=16384, advanced=True
    )

    @property
    def virtual_tokens(self) -> int:
        return self.num_virtual_tokens

    def conflicts(self) -> list[tuple[str, str]]:
        found = super().conflicts()
        if self.gradient_checkpointing:
            found.append(
                (
                    "gradient_checkpointing",
                    "does not go with a prefix, which is kept as a cache; switch it off",
                )
            )
        return found


class PrefixTuning(Method):
    position = 60
    name = "prefix_tuning"
    title = "Prefix tuning"
    summary = "trains keys and values before the text's in every block, and the head"
    reference = "Li & Liang 2021, arXiv 2101.00190; Liu et al. 2022, arXiv 2110.07602"
    family = "encoder"
    product = "adapter"
    Hyperparameters = PrefixTuningHyperparameters

    def build(self, loader: ModelLoader, hyperparameters: PrefixTuningHyperparameters) -> "Module":
        import torch
        from peft import PrefixTuningConfig, TaskType, get_peft_model

        from nli_console.methods.shapes import ModelShapes

        model: Any = loader.classifier(dtype=torch.float32)
        shapes = ModelShapes.of(model, loader.model_name)
        _require_supported(shapes)
        return get_peft_model(
            model,
            PrefixTuningConfig(
                task_type=TaskType.SEQ_CLS,
                num_virtual_tokens=hyperparameters.num_virtual_tokens,
                prefix_projection=hyperparameters.prefix_projection,
                encoder_hidden_size=hyperparameters.encoder_hidden_size,
                modules_to_save=added_names(shapes),
            ),
        )

    def count(self, shapes: "ModelShapes", hyperparameters: PrefixTuningHyperparameters) -> ParameterCounts:
        """A key and a value per virtual token and block, or the network that computes them; and the head.

        Raises:
            ConsoleError: the architecture takes no prefix.
        """
        return prompt_counts(shapes, _prefix_size(shapes, hyperparameters))

    def plan(self, shapes: "ModelShapes", hyperparameters: PrefixTuningHyperparameters) -> TrainingPlan:
        added = _prefix_size(shapes, hyperparameters)
        return prompt_plan(shapes, added, hyperparameters.num_virtual_tokens)


def _prefix_size(shapes: "ModelShapes", hyperparameters: PrefixTuningHyperparameters) -> int:
    _require_supported(shapes)
    hidden, inner = shapes.config["hidden_size"], hyperparameters.encoder_hidden_size
    kept = 2 * shapes.config["num_hidden_layers"] * hidden
    if not hyperparameters.prefix_projection:
        return hyperparameters.num_virtual_tokens * kept
    return hyperparameters.num_virtual_tokens * hidden + (hidden + 1) * inner + (inner + 1) * kept


def _require_supported(shapes: "ModelShapes") -> None:
    if shapes.architecture not in SUPPORTED:
        raise ConsoleError(
            f"prefix_tuning: {shapes.name} is a {shapes.architecture}, whose blocks take no prefix; "
            "use a RoBERTa or BERT model, or p_tuning or lora"
        )
