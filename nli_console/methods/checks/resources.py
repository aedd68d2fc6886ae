"""Checks of disk and memory."""

from collections.abc import Iterator

from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check
from nli_console.text import format_bytes


@check(
    "disk_space",
    "error",
    "not enough free disk for the checkpoints",
    "A checkpoint holds the trained weights and twice as much optimiser state: 4 GiB for roberta-large in "
    "full. A disk that fills up ends the run at its first or third checkpoint.",
)
def disk_space(context: CheckContext) -> Iterator[Problem]:
    size, free = context.checkpoint_bytes, context.machine.free_disk_bytes
    if size is None or free is None or not context.checkpoints:
        return
    needed = size * context.checkpoints
    if needed > free:
        yield Problem(
            f"{context.checkpoints} checkpoints of {format_bytes(size)} need {format_bytes(needed)} and "
            f"{format_bytes(free)} are free where the runs are kept",
            "free some disk, lower checkpoints.keep in settings.toml, or name another --runs-dir",
        )


@check(
    "memory",
    "warning",
    "estimated memory above what is free",
    "A run that does not fit ends with an out-of-memory error at its longest batch, which may come late in "
    "an epoch. docs/checks.md states how far the estimate is off.",
)
def memory(context: CheckContext) -> Iterator[Problem]:
    estimate, free = context.memory, context.machine.free_device_bytes
    if estimate is None or free is None or estimate.peak <= free:
        return
    size = context.value("batch_size") or 1
    if not context.method.trains:
        yield Problem(_too_much(context, estimate.peak), _scoring_fix(context), "batch_size")
        return
    passes = (context.value("gradient_accumulation_steps") or 1) * 2
    if context.value("gradient_accumulation_steps") is None:
        yield Problem(
            f"about {format_bytes(estimate.peak)} are needed at batch {estimate.rows} × {estimate.width} "
            f"tokens and {format_bytes(free)} are free on {context.machine.device}",
            f"--batch-size {max(size // 2, 1)}, or --quantisation nf4 for the base of an adapter",
            "batch_size",
        )
        return
    smaller = (
        f"--batch-size {size // 2} --gradient-accumulation-steps {passes} keeps the effective batch"
        if size > 1 and estimate.activations > estimate.peak // 4
        else "a method that trains fewer parameters, such as lora"
    )
    yield Problem(
        _too_much(context, estimate.peak),
        f"{smaller}; --gradient-checkpointing saves activations",
        "batch_size",
    )


def _too_much(context: CheckContext, peak: int) -> str:
    batch = (
        "" if context.memory is None else f" at batch {context.memory.rows} × {context.memory.width} tokens"
    )
    return (
        f"about {format_bytes(peak)} are needed{batch} and "
        f"{format_bytes(context.machine.free_device_bytes)} are free on {context.machine.device}"
    )


def _scoring_fix(context: CheckContext) -> str:
    """What takes less memory without training: smaller batches, then fewer bits, then shorter prompts."""
    size, ways = context.value("batch_size") or 1, list[str]()
    if size > 1 and context.memory is not None and context.memory.weights < context.memory.peak // 2:
        ways.append(f"--batch-size {size // 2}")
    if context.value("quantisation") == "none":
        ways.append("--quantisation nf4")
    if context.value("shots"):
        ways.append("fewer --shots")
    return ", or ".join(ways or ["a smaller model"])
