"""What a run would be, before it is started: counts, estimates and checks."""

from typing import Any

from nli_console.cli import history
from nli_console.cli.context import Context
from nli_console.cli.output import note, pairs, say, say_json
from nli_console.methods import registry
from nli_console.methods.estimate import MemoryEstimate
from nli_console.record.spec import RunSpec
from nli_console.record.speed import Speed, measured_speed
from nli_console.record.store import Store
from nli_console.supervisor.engine import Engine, EngineAnswer
from nli_console.supervisor.preflight import (
    Assessment,
    Machine,
    assess,
    engine_question,
    look_at_machine,
    pace_of,
    recipe_of,
    sentence,
)
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.text import UNKNOWN, format_bytes, format_count, format_duration

ENGINE_TIMEOUT = 300.0
_GPU_TIMEOUT = 3.0


def quick_look(spec: RunSpec, context: Context) -> Assessment:
    """What can be said without reading the data or starting a process."""
    return assess(recipe_of(spec), context.settings, _machine(context))


def full_look(spec: RunSpec, context: Context) -> Assessment:
    """Everything: the engine reads the data and counts the model's modules; may take a while."""
    machine = _machine(context)
    note("reading the data and the model ...")
    told = _ask_engine(spec, context)
    return assess(
        recipe_of(spec),
        context.settings,
        machine,
        data=told.data,
        prompts=told.prompts,
        speed=_speed(spec, context, machine),
    )


def show_plan(spec: RunSpec, assessment: Assessment, *, as_json: bool) -> int:
    """Print what would run; returns the exit code: 2 when a check would refuse it."""
    code = 2 if assessment.blocking else 0
    counts = assessment.counts
    trainable, total = (None, None) if counts is None else (counts.trainable, counts.total)
    if as_json:
        say_json({**spec.model_dump(mode="json"), **_json(assessment, trainable, total)})
        return code
    say(pairs(history.spec_lines(spec)))
    say()
    say(pairs(history.hyperparameter_lines(spec)))
    say()
    share = f" ({100 * trainable / total:.2f} %)" if trainable and total else ""
    scores = spec.evaluates is not None or not registry.get(spec.method).trains
    lines = [
        ("trainable", format_count(trainable) + share),
        ("parameters", format_count(total)),
        ("rows to score", rows_line(assessment)) if scores else ("steps", format_count(assessment.steps)),
        ("memory", memory_line(assessment.memory, assessment.machine)),
        ("time", time_line(assessment)),
    ]
    say(pairs(lines))
    say()
    say_findings(assessment)
    say("nothing was started (--dry-run)")
    return code


def say_findings(assessment: Assessment) -> None:
    """The findings on stdout, one a line with its id and reason."""
    for finding in assessment.findings:
        word = "ignored" if finding.ignored else finding.severity
        say(f"{word} [{finding.id}] {sentence(finding)}")
        say(f"    {finding.reason}")
    if not assessment.findings:
        say("no check has anything to say")


def note_findings(assessment: Assessment) -> None:
    """Warnings on stderr, before a run starts."""
    for finding in assessment.findings:
        if finding.severity == "warning":
            note(f"warning [{finding.id}] {sentence(finding)}")


def rows_line(assessment: Assessment) -> str:
    """``19,647: validation_matched 9,815, validation_mismatched 9,832``."""
    if not assessment.rows:
        return UNKNOWN
    parts = ", ".join(f"{name} {format_count(count)}" for name, count in assessment.rows.items())
    return f"{format_count(assessment.scored_rows)}: {parts}"


def memory_line(memory: MemoryEstimate | None, machine: Machine) -> str:
    """``~ 5.1 GiB at batch 32 × 96 tokens: weights 1.4 GiB, …; 61.2 GiB free on …``."""
    if memory is None:
        return UNKNOWN
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in memory.parts.items() if size)
    free = ""
    if machine.free_device_bytes is not None:
        free = f"; {format_bytes(machine.free_device_bytes)} free on {machine.device}"
    return f"~ {format_bytes(memory.peak)} at batch {memory.rows} × {memory.width} tokens ({parts}){free}"


def time_line(assessment: Assessment) -> str:
    """How long it would take, by which runs."""
    if assessment.seconds is None or assessment.speed is None:
        return f"{UNKNOWN} (nothing like it has finished on this machine)"
    runs = "run" if assessment.speed.runs == 1 else "runs"
    return f"~ {format_duration(assessment.seconds)} (as {assessment.speed.runs} finished {runs} like it)"


def _json(assessment: Assessment, trainable: int | None, total: int | None) -> dict[str, Any]:
    machine = assessment.machine
    return {
        "trainable_parameters": trainable,
        "total_parameters": total,
        "steps": assessment.steps,
        "scored_rows": assessment.scored_rows,
        "rows": None if assessment.rows is None else dict(assessment.rows),
        "memory": None if assessment.memory is None else assessment.memory.to_json(),
        "free_memory": machine.free_device_bytes,
        "device": machine.device or None,
        "estimated_seconds": assessment.seconds,
        "checks": [finding.to_json() for finding in assessment.findings],
    }


def _machine(context: Context) -> Machine:
    monitor = GpuMonitor()
    try:
        return look_at_machine(monitor.first(_GPU_TIMEOUT).gpus, context.runs_dir)
    finally:
        monitor.close()


def _ask_engine(spec: RunSpec, context: Context) -> EngineAnswer:
    engine = Engine(context.settings.cache_dir)
    recipe = recipe_of(spec)
    try:
        answer = engine.wait_for(engine_question(recipe, spec.data, spec.seed), ENGINE_TIMEOUT)
    finally:
        engine.close()
    for words in (*answer.notes, answer.problem):
        if words:
            note(words)
    if not answer.done:
        note(f"gave up on the data after {ENGINE_TIMEOUT:.0f} s")
    return answer


def _speed(spec: RunSpec, context: Context, machine: Machine) -> Speed | None:
    if machine.compute is None:
        return None
    store = Store(context.runs_dir)
    store.refresh()
    return measured_speed(
        store.runs,
        method=spec.method,
        model=spec.model_name,
        data=spec.data.name,
        device=machine.device,
        pace=pace_of(recipe_of(spec).hyperparameters),
    )
