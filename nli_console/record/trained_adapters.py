"""Adapters that finished runs have left behind and that can answer: those of ``qlora_sft``."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nli_console.data.prompts import PromptTemplate
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.record.evidence import gather
from nli_console.record.files import RecordError
from nli_console.record.layout import RunLayout
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State, derive
from nli_console.record.summary import RunSummary
from nli_console.text import clean_line


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter and how it came about.

    Attributes:
        folder: with its weights.
        model: its base, a folder or hub id; ``model_name`` as the run's user named it.
        template: with which it was trained.
    """

    run_id: str
    name: str
    folder: Path
    model: str
    model_name: str
    template: PromptTemplate | None


def adapter_of(layout: RunLayout) -> TrainedAdapter:
    """The adapter of a run.

    Raises:
        ConsoleError: the run has none that can answer, or has not finished.
    """
    spec = load_spec(layout)
    method = registry.get(spec.method)
    if method.product != "adapter" or method.task != "causal":
        raise ConsoleError(
            f"{layout.id}: a run of {spec.method} leaves no adapter that writes text; expected a run of "
            "qlora_sft"
        )
    state = derive(gather(layout)).state
    if state != State.FINISHED:
        raise ConsoleError(
            f"{layout.id} is {state.value}; expected a run that has finished: wait for it, or resume it with "
            f"`nli-console resume {layout.id}`"
        )
    if not layout.adapter.is_dir():
        raise ConsoleError(f"{layout.id}: its adapter is missing; {clean_line(layout.adapter)} was deleted")
    return TrainedAdapter(
        layout.id,
        clean_line(spec.name, limit=80),
        layout.adapter,
        spec.model,
        clean_line(spec.model_name, limit=200),
        spec.template,
    )


def adapters_over(model: str, runs: Iterable[RunSummary]) -> list[TrainedAdapter]:
    """The adapters of finished runs over ``model`` (a folder or hub id), in the order of ``runs``."""
    found: list[TrainedAdapter] = []
    for run in runs:
        if run.state.state != State.FINISHED or not _answers(run.method):
            continue
        try:
            adapter = adapter_of(run.layout)
        except (ConsoleError, RecordError):
            continue
        if adapter.model == model:
            found.append(adapter)
    return found


def _answers(method: str) -> bool:
    try:
        known = registry.get(method)
    except ConsoleError:
        return False
    return known.product == "adapter" and known.task == "causal"
