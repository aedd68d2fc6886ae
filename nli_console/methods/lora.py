"""LoRA: low-rank updates of chosen linear layers; the classification head is trained in full."""

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from nli_console.errors import ConsoleError
from nli_console.methods.base import (
    Method,
    ModelLoader,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
    hyperparameter,
)
from nli_console.methods.fields import did_you_mean, either

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes, ModuleShape

ALL_LINEAR = "all-linear"
_LINEAR = frozenset({"Linear", "Conv1D", "Linear4bit", "Linear8bitLt"})
_MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f'must name at least one module, such as query,value, or be "{ALL_LINEAR}"')
    for name in names:
        if name != ALL_LINEAR and not _MODULE_NAME.fullmatch(name):
            raise ValueError(
                f'"{name}" is not a module name; write names such as query or attention.output.dense'
            )
    if ALL_LINEAR in names and len(names) > 1:
        raise ValueError(f'"{ALL_LINEAR}" already means every linear layer and stands alone')
    return tuple(dict.fromkeys(names))


class LoraHyperparameters(TrainingHyperparameters):
    """Defaults after the LoRA paper's RoBERTa-large recipe (Hu et al. 2021), on every linear layer."""

    learning_rate: float = hyperparameter(3e-4, "peak learning rate", group="optimiser", gt=0, le=1)
    epochs: float = hyperparameter(
        5.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )
    weight_decay: float = hyperparameter(0.1, "decoupled weight decay", group="optimiser", ge=0, le=1)
    lora_r: int = hyperparameter(8, "rank of the updates", group="LoRA", ge=1, le=1024)
    lora_alpha: float = hyperparameter(
        16.0, "updates are scaled by alpha / r (alpha / √r with rsLoRA)", group="LoRA", gt=0, le=4096
    )
    lora_dropout: float = hyperparameter(0.0, "dropout before the updates", group="LoRA", ge=0, lt=1)
    target_modules: Annotated[tuple[str, ...], AfterValidator(_check_names)] = hyperparameter(
        (ALL_LINEAR,), f"modules that get an update, as query,value; or {ALL_LINEAR}", group="LoRA"
    )
    use_rslora: bool = hyperparameter(
        False, "rank-stabilised scaling (Kalajdzievski 2023)", group="LoRA", advanced=True
    )
    use_dora: bool = hyperparameter(
        False, "magnitude and direction apart (Liu et al. 2024); slower", group="LoRA", advanced=True
    )


class Lora(Method):
    position = 40
    name = "lora"
    title = "LoRA"
    summary = "low-rank updates of chosen linear layers; the head is trained in full"
    reference = "Hu et al. 2021, arXiv 2106.09685"
    family = "encoder"
    product = "adapter"
    Hyperparameters = LoraHyperparameters
    report_accuracy = 0.84
    published_accuracy = 0.906
    published_source = "Hu et al. 2021, arXiv 2106.09685, table 2"

    def build(self, loader: ModelLoader, hyperparameters: LoraHyperparameters) -> "Module":
        import torch
        from peft import LoraConfig, TaskType, get_peft_model

        from nli_console.methods.shapes import ModelShapes

        model = loader.classifier(dtype=torch.float32)
        shapes = ModelShapes.of(model, loader.model_name)
        targets = matched_modules(shapes, hyperparameters.target_modules)
        return get_peft_model(
            model,  # type: ignore[arg-type]  # a PreTrainedModel
            LoraConfig(
                task_type=TaskType.SEQ_CLS,
                r=hyperparameters.lora_r,
                lora_alpha=hyperparameters.lora_alpha,  # type: ignore[arg-type]  # any number works
                lora_dropout=hyperparameters.lora_dropout,
                # Full names say the same to PEFT as they did to count(), which its suffix rule might not.
                target_modules=[target.name for target in targets],
                # What stands beside the base model is newly initialised (DeBERTa's pooler too).
                modules_to_save=list(shapes.head),
                use_rslora=hyperparameters.use_rslora,
                use_dora=hyperparameters.use_dora,
                fan_in_fan_out=any(target.kind == "Conv1D" for target in targets),
            ),
        )

    def count(self, shapes: "ModelShapes", hyperparameters: LoraHyperparameters) -> ParameterCounts:
        """The updates and the whole head."""
        added = update_size(shapes, hyperparameters)
        return ParameterCounts(trainable=added + shapes.head_size, total=added + shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: LoraHyperparameters) -> TrainingPlan:
        counts = self.count(shapes, hyperparameters)
        targets = matched_modules(shapes, hyperparameters.target_modules)
        return TrainingPlan(
            trained=frozenset(module.name for module in shapes.modules if shapes.in_head(module)),
            adapted={module.name: hyperparameters.lora_r for module in targets},
            update_dropout=hyperparameters.lora_dropout > 0,
            added=counts.trainable - shapes.head_size,
            # PEFT keeps the original of each module that it trains in full.
            copied=shapes.head_size,
        )


def update_size(shapes: "ModelShapes", hyperparameters: LoraHyperparameters) -> int:
    """Parameters of all updates: ``r × (in + out)`` for each matched weight, with DoRA ``out`` more.

    Raises:
        ConsoleError: as :func:`matched_modules`.
    """
    added = 0
    for module in matched_modules(shapes, hyperparameters.target_modules):
        out_features, in_features = module.parameters["weight"]
        if module.kind == "Conv1D":
            out_features, in_features = in_features, out_features
        added += hyperparameters.lora_r * (in_features + out_features)
        added += out_features if hyperparameters.use_dora else 0
    return added


def matched_modules(shapes: "ModelShapes", names: tuple[str, ...]) -> list["ModuleShape"]:
    """The linear layers that ``names`` mean: whole names or their last parts, never in the head.

    Raises:
        ConsoleError: a name matches nothing, or something that is not a linear layer.
    """
    candidates = [module for module in shapes.modules if _may_be_updated(shapes, module)]
    if names == (ALL_LINEAR,):
        return [module for module in candidates if module.kind in _LINEAR]
    wanted: dict[str, ModuleShape] = {}
    for name in names:
        matches = [module for module in matching(shapes, name) if _may_be_updated(shapes, module)]
        if not matches:
            raise ConsoleError(_unmatched(shapes, candidates, name))
        for module in matches:
            if module.kind not in _LINEAR:
                raise ConsoleError(
                    f'lora.target_modules: "{name}" of {shapes.name} is of class {module.kind}, not linear; '
                    f"{_choices(candidates)}"
                )
            wanted[module.name] = module
    return [module for module in candidates if module.name in wanted]


def matching(shapes: "ModelShapes", name: str) -> list["ModuleShape"]:
    """The modules of the whole model, head included, that ``name`` means."""
    return [module for module in shapes.modules if f".{module.name}".endswith(f".{name}")]


def _may_be_updated(shapes: "ModelShapes", module: "ModuleShape") -> bool:
    """Neither in the head, nor a head that is tied to the embeddings and so owns no weight."""
    return not shapes.in_head(module) and not (module.kind in _LINEAR and not module.parameters)


def _unmatched(shapes: "ModelShapes", candidates: list["ModuleShape"], name: str) -> str:
    if matching(shapes, name):
        head, fate = (
            ("language-model head", "gets no update")
            if shapes.causal
            else ("classification head", "is trained in full anyway")
        )
        return (
            f'lora.target_modules: "{name}" stands only in the {head} of {shapes.name}, which {fate}; '
            "leave it out"
        )
    hint = did_you_mean(name, _last_parts(candidates)) or f"; {_choices(candidates)}"
    return f'lora.target_modules: "{name}" matches no module of {shapes.name}{hint}'


def _last_parts(modules: list["ModuleShape"]) -> list[str]:
    return list(dict.fromkeys(module.name.rsplit(".", 1)[-1] for module in modules if module.kind in _LINEAR))


def _choices(modules: list["ModuleShape"]) -> str:
    return f"its linear layers are called {either([*_last_parts(modules), ALL_LINEAR])}"
