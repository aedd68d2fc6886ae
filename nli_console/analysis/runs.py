"""A run as a comparison shows it: from its small files and its curve, whatever state its folder is in."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nli_console.analysis.curves import read_curves
from nli_console.analysis.predictions import predicted_splits
from nli_console.analysis.settings import environment
from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.findings import ComparedRun
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.processes import Processes
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.record.state import derive
from nli_console.record.summary import RunSummary, summarise
from nli_console.text import clean_line

_TAIL = 4
"""Characters of an id that tell runs of one name apart."""


@dataclass(frozen=True)
class ReadRun:
    """One run folder. ``spec`` is ``None``, and ``shown.problem`` says why, where it could not be read."""

    layout: RunLayout
    shown: ComparedRun
    spec: RunSpec | None


def read_run(layout: RunLayout, processes: Processes | None = None, *, curves: bool = True) -> ReadRun:
    """A run as its folder holds it; never raises for a folder that is damaged or another user's."""
    if not os.path.isdir(layout.path):
        return _unread(layout, "there is no such folder, or it cannot be entered")
    evidence = gather(layout, processes)
    summary = summarise(layout, read_labels(layout), evidence, derive(evidence), time.time())
    try:
        spec = load_spec(layout)
    except ConsoleError as error:
        return _unread(layout, clean_line(error, limit=300).removeprefix(f"{layout.id}: "), summary)
    held = read_curves(layout) if curves else None
    shown = ComparedRun(
        id=summary.id,
        title=summary.name,
        path=str(layout.path),
        name=summary.name,
        notes=tuple(_notes(layout, summary)),
        state=summary.state.state.value,
        reason=summary.reason,
        method=summary.method_title,
        model=summary.model,
        data=summary.data,
        preset=summary.preset,
        seed=summary.seed,
        started=summary.started,
        step=summary.step,
        accuracy=summary.accuracy,
        selection_accuracy=summary.selection_accuracy,
        seconds=summary.seconds,
        peak_memory_bytes=summary.peak_memory_bytes,
        peak_memory_kind=summary.peak_memory_kind,
        trainable_parameters=summary.trainable_parameters,
        total_parameters=summary.total_parameters,
        losses=() if held is None else held.losses,
        evaluations=() if held is None else held.evaluations,
        command=tuple(clean_line(word) for word in spec.provenance.command),
        environment=environment(spec),
    )
    return ReadRun(layout, shown, spec)


def titled(runs: Sequence[ReadRun]) -> list[ReadRun]:
    """The runs with titles that tell them apart: two of one name have the end of their ids behind it."""
    names = Counter(run.shown.title for run in runs)
    return [
        replace(run, shown=replace(run.shown, title=f"{run.shown.title} ({run.layout.id[-_TAIL:]})"))
        if names[run.shown.title] > 1
        else run
        for run in runs
    ]


def _unread(layout: RunLayout, problem: str, summary: RunSummary | None = None) -> ReadRun:
    name = layout.id if summary is None else summary.name
    state = "unreadable" if summary is None else summary.state.state.value
    shown = ComparedRun(layout.id, name, str(layout.path), name=name, problem=problem, state=state)
    return ReadRun(layout, shown, None)


def _notes(layout: RunLayout, summary: RunSummary) -> list[str]:
    notes = []
    if summary.newer:
        notes.append("written by a newer version of the console: what this one does not know is left out")
    missing = [split for split in summary.accuracy if split not in predicted_splits(layout)]
    if missing:
        notes.append(f"no predictions of {', '.join(missing)}: they cannot be tested in pairs or explained")
    return notes
