"""Checks of low-rank updates."""

import math
from collections.abc import Iterator

from nli_console.errors import ConsoleError
from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check
from nli_console.methods.lora import ALL_LINEAR, matched_modules, matching

LEAST_SCALE = 0.25


@check(
    "target_modules",
    "error",
    "target names that match no linear layer",
    "A name that matches nothing adds no update: the report named keys and values and trained without them, "
    "because the library refuses only when no name at all matches.",
)
def target_modules(context: CheckContext) -> Iterator[Problem]:
    names, shapes = context.value("target_modules"), context.shapes
    if not names or shapes is None:
        return
    for name in names:
        try:
            matched_modules(shapes, (name,))
        except ConsoleError as error:
            yield Problem(
                str(error),
                "correct the name; ignoring this check leaves it out, as long as another one matches",
                "target_modules",
            )


@check(
    "head_twice",
    "warning",
    "target names that also match the classification head",
    "The head is trained in full, and an update on top of it trains it twice: the report's 3,821,571 and "
    "42,020,912 parameters hold 16,384 and 65,584 of such updates. They are left out here.",
)
def head_twice(context: CheckContext) -> Iterator[Problem]:
    names, shapes = context.value("target_modules"), context.shapes
    if not names or shapes is None or names == (ALL_LINEAR,):
        return
    for name in names:
        every = matching(shapes, name)
        heads = [module.name for module in every if shapes.in_head(module)]
        if heads and len(heads) < len(every):
            yield Problem(
                f'lora.target_modules: "{name}" also matches {heads[0]} of {shapes.name}, which is trained '
                "in full and gets no update",
                f"name the layers more closely, such as {_closer([m.name for m in every], heads, name)}",
                "target_modules",
            )


@check(
    "lora_scale",
    "warning",
    "alpha / r below 0.25",
    "Updates are multiplied by alpha / r (alpha / √r with rsLoRA). The report's 0.5 / 8 = 0.06 is 32 times "
    "below the LoRA paper's 16 / 8 = 2, so that the head did most of the work and accuracy stayed at 84 %.",
)
def lora_scale(context: CheckContext) -> Iterator[Problem]:
    rank, alpha = context.value("lora_r"), context.value("lora_alpha")
    if rank is None or alpha is None:
        return
    stabilised = bool(context.value("use_rslora"))
    scale = alpha / (math.sqrt(rank) if stabilised else rank)
    if scale < LEAST_SCALE:
        yield Problem(
            f"lora_alpha {alpha:g} at rank {rank} multiplies the updates by {scale:.3g}; expected at least "
            f"{LEAST_SCALE:g}",
            f"--lora-alpha {2 * rank}, twice the rank",
            "lora_alpha",
        )


def _closer(every: list[str], heads: list[str], name: str) -> str:
    """Longer endings that mean the same layers and leave out the head: ``attention.output.dense``."""
    parts = name.count(".") + 2
    endings = [".".join(module.split(".")[-parts:]) for module in every if module not in heads]
    return ",".join(dict.fromkeys(ending for ending in endings if not ending[0].isdigit()))
