"""P-tuning: virtual tokens before the input, computed by a small trained network; the head is trained too."""

from typing import TYPE_CHECKING, Any, Literal

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

POOL_KEY = "nli_pool"
"""Key of an adapter's ``config.json`` that says which token its head was trained to read."""

_MLP_LAYERS = 2
"""What PEFT calls the number of layers of its MLP, which cannot be changed (there are three matrices)."""


class PTuningHyperparameters(TrainingHyperparameters):
    """Defaults after PEFT's RoBERTa example; the report's rate of 3e-5 never left the loss of guessing."""

    learning_rate: float = hyperparameter(1e-3, "peak learning rate", group="optimiser", gt=0, le=1)
    epochs: float = hyperparameter(
        5.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )
    weight_decay: float = hyperparameter(0.0, "decoupled weight decay", group="optimiser", ge=0, le=1)
    num_virtual_tokens: int = hyperparameter(
        20, "trained tokens before the input", group="prompt", unit="tokens", ge=1, le=4096
    )
    encoder_reparameterization_type: Literal["mlp", "lstm"] = hyperparameter(
        "mlp", "network that computes the virtual tokens", group="prompt"
    )
    encoder_hidden_size: int = hyperparameter(
        128, "width of that network", group="prompt", unit="features", ge=1, le=16384
    )
    encoder_num_layers: int = hyperparameter(
        2, "layers of the LSTM; the MLP always has its three matrices", group="prompt", ge=1, le=16,
        advanced=True,
    )  # fmt: skip
    encoder_dropout: float = hyperparameter(
        0.0, "dropout between the layers of the LSTM", group="prompt", ge=0, lt=1, advanced=True
    )
    pool: Literal["real", "virtual"] = hyperparameter(
        "real",
        "token that the head reads: the text's own first one, or as the library and the report a virtual one",
        group="prompt",
    )

    @property
    def virtual_tokens(self) -> int:
        return self.num_virtual_tokens


class PTuning(Method):
    position = 50
    name = "p_tuning"
    title = "P-tuning"
    summary = "trains virtual tokens before the input through a small network, and the head"
    reference = "Liu et al. 2021, arXiv 2103.10385"
    family = "encoder"
    product = "adapter"
    Hyperparameters = PTuningHyperparameters
    report_accuracy = 0.4679
    published_accuracy = 0.802
    published_source = "Ding et al. 2023, Nature Machine Intelligence 5, 220"

    def build(self, loader: ModelLoader, hyperparameters: PTuningHyperparameters) -> "Module":
        import torch
        from peft import PromptEncoderConfig, TaskType, get_peft_model

        from nli_console.methods.shapes import ModelShapes

        model: Any = loader.classifier(dtype=torch.float32)
        shapes = ModelShapes.of(model, loader.model_name)
        setattr(model.config, POOL_KEY, hyperparameters.pool)
        read_chosen_token(model, hyperparameters.num_virtual_tokens)
        lstm = hyperparameters.encoder_reparameterization_type == "lstm"
        return get_peft_model(
            model,
            PromptEncoderConfig(
                task_type=TaskType.SEQ_CLS,
                num_virtual_tokens=hyperparameters.num_virtual_tokens,
                token_dim=model.get_input_embeddings().embedding_dim,
                encoder_reparameterization_type=hyperparameters.encoder_reparameterization_type.upper(),
                encoder_hidden_size=hyperparameters.encoder_hidden_size,
                encoder_num_layers=hyperparameters.encoder_num_layers if lstm else _MLP_LAYERS,
                encoder_dropout=hyperparameters.encoder_dropout if lstm else 0.0,
                modules_to_save=added_names(shapes),
            ),
        )

    def count(self, shapes: "ModelShapes", hyperparameters: PTuningHyperparameters) -> ParameterCounts:
        """The virtual tokens, the network that computes them, and the head."""
        return prompt_counts(shapes, _prompt_size(shapes, hyperparameters))

    def plan(self, shapes: "ModelShapes", hyperparameters: PTuningHyperparameters) -> TrainingPlan:
        added = _prompt_size(shapes, hyperparameters)
        return prompt_plan(shapes, added, hyperparameters.num_virtual_tokens)


def read_chosen_token(model: Any, num_virtual_tokens: int) -> None:
    """Let the head of ``model`` read the token that its configuration names under :data:`POOL_KEY`.

    PEFT puts the virtual tokens first, so that a head which reads the first token reads a virtual one. With
    ``real`` the virtual tokens are cut off behind the last block: the head then sees the text alone. An
    adapter that was trained so needs the same after ``from_pretrained``, before it is wrapped by PEFT.

    Raises:
        ConsoleError: the architecture does not keep its blocks in a module called ``encoder``.
    """
    if getattr(model.config, POOL_KEY, "virtual") != "real":
        return
    encoder = getattr(getattr(model, model.base_model_prefix), "encoder", None)
    if encoder is None:
        raise ConsoleError(
            f"p_tuning: {type(model).__name__} has no module called encoder, so its real first token cannot "
            "be told from the virtual ones; use --pool virtual, lora or full"
        )

    def cut(module: Any, arguments: Any, output: Any) -> Any:
        values = {"last_hidden_state": output.last_hidden_state[:, num_virtual_tokens:]}
        if output.get("hidden_states") is not None:
            values["hidden_states"] = tuple(state[:, num_virtual_tokens:] for state in output.hidden_states)
        return type(output)(**{**output, **values})

    encoder.register_forward_hook(cut)


def _prompt_size(shapes: "ModelShapes", hyperparameters: PTuningHyperparameters) -> int:
    width, hidden = _embedding_width(shapes), hyperparameters.encoder_hidden_size
    embedding = hyperparameters.num_virtual_tokens * width
    if hyperparameters.encoder_reparameterization_type == "mlp":
        return embedding + _linear(width, hidden) + _linear(hidden, hidden) + _linear(hidden, width)
    both = 2 * hidden
    inputs = [width, *[both] * (hyperparameters.encoder_num_layers - 1)]
    # Four gates, two directions, and two bias vectors each.
    lstm = sum(2 * 4 * hidden * (size + hidden + 2) for size in inputs)
    return embedding + lstm + _linear(both, both) + _linear(both, width)


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _embedding_width(shapes: "ModelShapes") -> int:
    """Width of the token embeddings, which some architectures keep narrower than their blocks."""
    rows = shapes.config.get("vocab_size")
    for module in shapes.modules:
        weight = module.parameters.get("weight", ())
        if len(weight) == 2 and weight[0] == rows:
            return weight[1]
    raise ConsoleError(
        f"{shapes.name}: {shapes.architecture} has no token embeddings of vocab_size {rows}; use full or lora"
    )
