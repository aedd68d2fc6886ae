"""Everything that a text about one run tells, read once: for model cards and reports."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.methods.fields import describe, format_value
from nli_console.record.compose import hyperparameters_of
from nli_console.record.evaluation import SplitReport, read_reports
from nli_console.record.evidence import gather
from nli_console.record.glance import begin_of
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.samples import text, whole
from nli_console.record.secrets import scrub, scrub_arguments
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.record.state import derive
from nli_console.record.summary import RunSummary, summarise
from nli_console.text import UNKNOWN, clean_line, format_bytes, format_count, format_duration

_DEMO = ("demo", "demo-encoder", "demo-decoder")


@dataclass(frozen=True)
class Setting:
    """One hyperparameter as people read it."""

    name: str
    value: str
    unit: str
    help: str
    changed: bool


@dataclass(frozen=True)
class Dossier:
    """A run, its state, what it was asked for and what it is worth. Every text is clean.

    Attributes:
        spec: ``None`` where it cannot be read; ``problem`` then says why.
        begin: the ``start`` record of the latest attempt, as far as it is known.
    """

    layout: RunLayout
    summary: RunSummary
    spec: RunSpec | None
    reports: tuple[SplitReport, ...] = ()
    begin: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        return scrub(self.summary.name or self.layout.id)

    @property
    def is_demo(self) -> bool:
        """Whether its figures say nothing about real models."""
        spec = self.spec
        return spec is not None and (spec.model_name in _DEMO or spec.data.name in _DEMO)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every hyperparameter, with what its declaration says of it where that is known."""
        if self.spec is None:
            return ()
        try:
            known = {field.name: field for field in describe(hyperparameters_of(self.spec))}
        except ConsoleError:
            known = {}
        found: list[Setting] = []
        for name, value in self.spec.hyperparameters.items():
            described = known.get(name)
            shown = format_value(value) if value not in (None, "", [], ()) else UNKNOWN
            found.append(
                Setting(
                    clean_line(name, limit=80),
                    scrub(clean_line(shown, limit=300)),
                    described.unit if described else "",
                    described.help if described else "",
                    name in self.spec.changed,
                )
            )
        return tuple(found)

    @property
    def command(self) -> list[str]:
        """What repeats the run; empty where it is not recorded."""
        recorded = [] if self.spec is None else self.spec.provenance.command
        return [clean_line(word, limit=500) for word in scrub_arguments(recorded)]

    @property
    def data_lines(self) -> list[tuple[str, str]]:
        """Which rows the run was made of."""
        spec, begin = self.spec, self.begin
        if spec is None:
            return []
        dropped = begin.get("dropped")
        lost = (
            {text(split): whole(count) for split, count in dropped.items()}
            if isinstance(dropped, dict)
            else {}
        )
        lines = [
            ("dataset", clean_line(spec.data.name, limit=200)),
            ("share of the training rows", f"{spec.data.fraction:g}"),
            ("rows trained on", format_count(whole(begin.get("train_rows")))),
            ("rows held out for selection", format_count(whole(begin.get("selection_rows")))),
            (
                "rows without a gold label, left out",
                ", ".join(f"{split} {format_count(n)}" for split, n in lost.items() if n),
            ),
            ("seed", str(spec.seed)),
        ]
        return [(key, value) for key, value in lines if value not in ("", UNKNOWN)]

    @property
    def cost_lines(self) -> list[tuple[str, str]]:
        """What the run took."""
        run = self.summary
        memory = format_bytes(run.peak_memory_bytes)
        if run.peak_memory_kind == "rss_growth":
            memory += ", growth of the process"
        attempts = f" in {run.attempts} attempts" if run.attempts > 1 else ""
        lines = [
            ("trainable parameters", format_count(run.trainable_parameters)),
            ("parameters", format_count(run.total_parameters)),
            ("steps", "" if not run.step else format_count(run.step)),
            ("time", format_duration(run.seconds) + attempts),
            ("peak memory", memory),
            ("device", text(self.begin.get("device"))),
            ("arithmetic", text(self.begin.get("precision"))),
        ]
        return [(key, value) for key, value in lines if value]

    @property
    def environment_lines(self) -> list[tuple[str, str]]:
        """Versions; neither host, user nor folder."""
        if self.spec is None:
            return []
        made = self.spec.provenance
        commit = made.git_commit or ""
        dirty = ", with changes" if made.git_dirty else ""
        lines = [
            ("python", made.python),
            ("platform", made.platform),
            *made.packages.items(),
            ("git commit", f"{commit}{dirty}" if commit else ""),
        ]
        return [(clean_line(key, limit=80), clean_line(value, limit=200)) for key, value in lines if value]


def read_dossier(layout: RunLayout, now: float | None = None) -> Dossier:
    """Read a run; whatever of it is missing or damaged is left out."""
    evidence = gather(layout)
    state = derive(evidence)
    moment = time.time() if now is None else now
    summary = summarise(layout, read_labels(layout), evidence, state, moment)
    spec, problem = None, ""
    try:
        spec = load_spec(layout)
    except ConsoleError as error:
        problem = str(error)
    begins = (begin_of(layout.attempt(n).metrics)[1] for n in range(max(evidence.attempt, 0), 0, -1))
    begin = next((found for found in begins if found), {})
    return Dossier(layout, summary, spec, read_reports(layout), begin, problem)
