"""Which parts of an encoder classifier the methods train: its repeated blocks, and what stands on top."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.methods.base import ParameterCounts, TrainingPlan

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes, ModuleShape

_BLOCK = re.compile(r"\.layers?\.(\d+)(?=\.|$)")
POOLER = "pooler"
"""BERT keeps the first layer of its head inside the base model, under this name."""


def blocks(shapes: "ModelShapes") -> list[list["ModuleShape"]]:
    """The modules of each transformer block, lowest block first.

    Raises:
        ConsoleError: the architecture does not repeat its blocks under ``layer`` or ``layers``.
    """
    found: dict[int, list[ModuleShape]] = {}
    for module in shapes.modules:
        match = _BLOCK.search(module.name)
        if match and not shapes.in_head(module):
            found.setdefault(int(match[1]), []).append(module)
    if sorted(found) != list(range(len(found))) or not found:
        raise ConsoleError(
            f"{shapes.name}: {shapes.architecture} does not repeat its blocks as encoder.layer.0, 1, …; "
            "use full or lora"
        )
    return [found[index] for index in range(len(found))]


def added_layers(shapes: "ModelShapes") -> list["ModuleShape"]:
    """What stands on top of the blocks: the classification head, with BERT's pooler, which is part of it."""
    inside = f"{shapes.base}.{POOLER}"
    return [
        module
        for module in shapes.modules
        if shapes.in_head(module) or module.name == inside or module.name.startswith(f"{inside}.")
    ]


def added_names(shapes: "ModelShapes") -> list[str]:
    """The names of :func:`added_layers` as PEFT's ``modules_to_save`` wants them."""
    in_base = any(not shapes.in_head(module) for module in added_layers(shapes))
    return [*shapes.head, *([POOLER] if in_base else [])]


def size_of(modules: Collection["ModuleShape"]) -> int:
    """Number of parameters."""
    return sum(module.size for module in modules)


def names_of(modules: Collection["ModuleShape"]) -> frozenset[str]:
    return frozenset(module.name for module in modules)


def train_only(model: "Module", names: Collection[str]) -> None:
    """Freeze everything but the parameters that the modules called ``names`` own themselves."""
    model.requires_grad_(False)
    for name, module in model.named_modules():
        if name in names:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(True)


def prompt_counts(shapes: "ModelShapes", added: int) -> ParameterCounts:
    """Counts where ``added`` prompt parameters and the added layers are trained."""
    return ParameterCounts(trainable=added + size_of(added_layers(shapes)), total=added + shapes.total)


def prompt_plan(shapes: "ModelShapes", added: int, virtual_tokens: int) -> TrainingPlan:
    """As :func:`prompt_counts`, for the memory estimate."""
    head = added_layers(shapes)
    return TrainingPlan(
        trained=names_of(head),
        added=added,
        # PEFT keeps the original of each module that it trains in full.
        copied=size_of(head),
        virtual_tokens=virtual_tokens,
    )
