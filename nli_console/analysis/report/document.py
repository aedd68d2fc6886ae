"""What a report tells of one run or of several, put together from their folders."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nli_console import __version__
from nli_console.analysis.comparison import compare
from nli_console.analysis.figures.markup import Markup, element, join
from nli_console.analysis.report import pictures
from nli_console.analysis.report.page import Section, details, page, pairs, table
from nli_console.analysis.runs import read_run
from nli_console.errors import ConsoleError
from nli_console.record.comparable import MOST
from nli_console.record.dossier import Dossier, read_dossier
from nli_console.record.evaluation import SplitReport
from nli_console.record.findings import ComparedRun, Comparison, PairedTest, format_p, format_points
from nli_console.record.layout import RunLayout
from nli_console.record.secrets import scrub
from nli_console.record.summary import Accuracy
from nli_console.text import (
    UNKNOWN,
    format_accuracy,
    format_bytes,
    format_count,
    format_duration,
    format_number,
)

Progress = Callable[[str, int, int, str], None]
"""Called with phase, done, total and unit."""


_PRIVATE = ("model place", "data place", "host")
"""Settings that say where something stands on a machine: a report is handed on."""


@dataclass(frozen=True)
class Told:
    """One run of a report: as a comparison has it, and all that its folder tells."""

    run: ComparedRun
    dossier: Dossier
    place: int

    @property
    def title(self) -> str:
        return scrub(self.run.title)


def report(layouts: Sequence[RunLayout], progress: Progress | None = None, now: float | None = None) -> str:
    """The HTML of one run, or of a comparison of 2 to 8.

    A run whose folder cannot be read is named with what is wrong with it; the rest is told.

    Raises:
        ConsoleError: no run, more than 8, or one twice.
    """
    if not 1 <= len(layouts) <= MOST:
        raise ConsoleError(f"{len(layouts)} runs: name 1 to {MOST} of them")
    found = compare(layouts, progress) if len(layouts) > 1 else None
    runs = found.runs if found is not None else (read_run(layouts[0]).shown,)
    told: list[Told] = []
    for place, (run, layout) in enumerate(zip(runs, layouts, strict=True)):
        if progress is not None:
            progress("describing", place, len(layouts), "runs")
        told.append(Told(run, read_dossier(layout, now), place))
    title = told[0].title if found is None else "Comparison: " + ", ".join(each.title for each in told)
    sections = [
        Section("results", "Results", _results(told)),
        *_tests(found),
        *_curves(told),
        *_confusion(told),
        *_slices(told),
        Section("cost", "Cost", _cost(told)),
        *_differences(found),
        Section("settings", "Settings", join(*(_settings(each, len(told) > 1) for each in told))),
        Section("environment", "Environment", join(*(_environment(each, len(told) > 1) for each in told))),
        Section("command", "Command to repeat it", join(*(_command(each, len(told) > 1) for each in told))),
    ]
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
    colophon = f"Written by nli-console {__version__} on {made}. Intervals are 95 % Wilson intervals."
    return page(title, _introduction(told), [part for part in sections if part.content], colophon)


# Introduction


def _introduction(told: Sequence[Told]) -> Markup:
    parts: list[Markup] = []
    for each in told:
        run = each.run
        # No heading: what stands before the first section belongs to the title of the page.
        named = element("p", element("strong", each.title), class_="run") if len(told) > 1 else None
        if run.problem:
            parts.append(
                join(named, element("p", f"This run could not be read: {run.problem}", class_="note"))
            )
            continue
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)) if run.started else UNKNOWN
        state = f"{run.state}: {run.reason}" if run.reason else run.state
        lines = [
            ("run", run.id), ("method", run.method), ("model", run.model), ("data", run.data),
            ("preset", run.preset or "none"), ("seed", UNKNOWN if run.seed is None else str(run.seed)),
            ("state", state), ("started", started),
        ]  # fmt: skip
        parts.append(join(named, pairs([(key, scrub(value)) for key, value in lines])))
        parts += _notes(each)
    demo = [each.title for each in told if each.dossier.is_demo]
    if demo:
        whose = "" if len(demo) == len(told) else f" ({', '.join(demo)})"
        text = (
            f"A demonstration{whose}: model or data are those that come with nli-console, tiny and "
            "generated. The figures say nothing about real models."
        )
        parts.append(element("p", text, class_="note"))
    return join(*parts)


def _notes(told: Told) -> list[Markup]:
    notes = [scrub(text) for text in told.run.notes]
    notes += [f"Warning ({guard.id}): {scrub(guard.message)}" for guard in told.dossier.summary.guards]
    return [element("p", text, class_="note") for text in notes]


# Figures


def _results(told: Sequence[Told]) -> Markup:
    rows = [
        (each.title, split, *_accuracy(held), *_beside(_report(each, split)))
        for each in told
        for split, held in each.run.accuracy.items()
    ]
    if not rows:
        return element("p", "No split was scored.")
    header = (
        "run",
        "split",
        "accuracy",
        "95 % interval",
        "n",
        "macro F1",
        "loss (nats)",
        "calibration error",
        "commonest label",
    )
    drop = 0 if len(told) > 1 else 1
    shown = table(
        "accuracy",
        "Accuracy on each reported split. The commonest label is what a constant answer would get.",
        header[drop:],
        [row[drop:] for row in rows],
        right=range(2 - drop, 8 - drop),
    )
    remarks = [
        element("li", f"{each.title}, {split}: {held.remark}")
        for each in told
        for split, held in each.run.accuracy.items()
        if held.remark
    ]
    return join(shown, element("ul", remarks) if remarks else None)


def _accuracy(held: Accuracy) -> tuple[str, str, str]:
    ends = (
        UNKNOWN if held.low is None or held.high is None else f"{100 * held.low:.1f}–{100 * held.high:.1f} %"
    )
    return format_accuracy(held.value), ends, format_count(held.n)


def _beside(found: SplitReport | None) -> tuple[str, str, str, str]:
    if found is None:
        return UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN
    majority = (
        UNKNOWN if found.majority is None else f"{format_accuracy(found.majority[1])} ({found.majority[0]})"
    )
    return (
        format_accuracy(found.macro_f1), format_number(found.loss), format_accuracy(found.calibration_error),
        majority,
    )  # fmt: skip


def _report(told: Told, split: str) -> SplitReport | None:
    return next((found for found in told.dossier.reports if found.split == split), None)


def _tests(found: Comparison | None) -> list[Section]:
    if found is None or not (found.paired or found.refused):
        return []
    titles = [scrub(title) for title in found.titles]
    parts: list[Markup] = []
    for split in found.splits:
        tests = [test for test in found.paired if test.split == split]
        refused = [held for held in found.refused if held.split == split]
        if not tests and not refused:
            continue
        said = [element("li", _capital(f"{test.sentence(titles)}.")) for test in tests]
        said += [element("li", f"{titles[held.a]} and {titles[held.b]}: {held.why}.") for held in refused]
        parts += [element("h3", split), element("ul", said)]
        rows = [_test_row(test, titles) for test in tests]
        header = (
            "A",
            "B",
            "A − B (points)",
            "95 % interval",
            "only A right",
            "only B right",
            "p",
            "p by Holm",
            "test",
        )
        shown = table(f"tests-{split}", f"Paired tests on {split}", header, rows, right=range(2, 8))
        parts.append(details("The tests in figures", shown) if rows else Markup())
    how = element(
        "p",
        "McNemar's test of runs that were scored on the same rows, with the bootstrap interval of the "
        "difference; where there are several tests, p is corrected by Holm's method.",
    )
    return [Section("tests", "Paired tests", join(how, *parts))]


def _capital(sentence: str) -> str:
    """A sentence that begins with a word of ours, and not with a run's name, begins with a capital."""
    return f"N{sentence[1:]}" if sentence.startswith("no difference ") else sentence


def _test_row(test: PairedTest, titles: Sequence[str]) -> tuple[str, ...]:
    return (
        titles[test.a], titles[test.b], format_points(test.difference),
        f"{format_points(test.low)} to {format_points(test.high)}",
        format_count(test.only_a), format_count(test.only_b),
        format_p(test.p).removeprefix("p ").removeprefix("= "),
        format_p(test.adjusted_p).removeprefix("p ").removeprefix("= "),
        "exact" if test.exact else "chi-square",
    )  # fmt: skip


def _curves(told: Sequence[Told]) -> list[Section]:
    runs = [(each.title, each.run) for each in told]
    loss, accuracy = pictures.losses(runs), pictures.evaluations(runs)
    if not loss and not accuracy:
        return []
    parts = []
    if loss:
        parts += [element("h3", "Training loss"), loss]
    if accuracy:
        parts += [element("h3", "Accuracy on the rows held out of train"), accuracy]
    return [Section("curves", "Curves", join(*parts))]


def _confusion(told: Sequence[Told]) -> list[Section]:
    parts = [
        pictures.confusion(each.title, report, f"confusion-{each.place}-{place}", len(told) > 1)
        for each in told
        for place, report in enumerate(each.dossier.reports)
    ]
    drawn = [part for part in parts if part]
    return [Section("confusion", "Confusion", element("div", drawn, class_="side"))] if drawn else []


def _slices(told: Sequence[Told]) -> list[Section]:
    splits = dict.fromkeys(report.split for each in told for report in each.dossier.reports)
    parts: list[Markup] = []
    for split in splits:
        known = [
            (each.title, each.place, found) for each in told if (found := _report(each, split)) is not None
        ]
        parts.append(pictures.slices(split, "genres", known))
        parts.append(pictures.slices(split, "agreement", known))
    drawn = [part for part in parts if part]
    return [Section("slices", "Genres and agreement", join(*drawn))] if drawn else []


# What it took, and how to do it again


def _cost(told: Sequence[Told]) -> Markup:
    rows = [
        (
            each.title, format_count(each.run.trainable_parameters), format_count(each.run.total_parameters),
            format_count(each.run.step), format_duration(each.run.seconds),
            format_bytes(each.run.peak_memory_bytes), _device(each.dossier),
        )
        for each in told
    ]  # fmt: skip
    header = ("run", "trainable parameters", "parameters", "steps", "time", "peak memory", "device")
    growth = any(each.run.peak_memory_kind == "rss_growth" for each in told)
    caption = "Time is that of all attempts together"
    caption += "; memory on the CPU is how far the process grew." if growth else "."
    return table("cost", caption, header, rows, right=range(1, 6))


def _device(dossier: Dossier) -> str:
    known = dict(dossier.cost_lines)
    return ", ".join(known[key] for key in ("device", "arithmetic") if key in known) or UNKNOWN


def _differences(found: Comparison | None) -> list[Section]:
    if found is None:
        return []
    titles = [scrub(title) for title in found.titles]
    rows = [
        (setting.heading, *(UNKNOWN if value is None else scrub(value) for value in setting.values))
        for setting in found.settings
        if setting.name not in _PRIVATE
    ]
    same = element("p", f"{found.same_settings} settings are the same.")
    shown = table("differences", "Settings in which the runs differ", ("setting", *titles), rows)
    return [Section("differences", "Settings that differ", join(shown, same))]


def _settings(told: Told, several: bool) -> Markup:
    dossier = told.dossier
    if dossier.spec is None:
        return Markup()
    rows = [
        (setting.name, setting.value, setting.unit, "changed" if setting.changed else "", setting.help)
        for setting in dossier.settings
    ]
    header = ("setting", "value", "unit", "against the preset", "what it is")
    content = join(
        pairs(dossier.data_lines),
        table(f"settings-{told.place}", f"All settings of {told.title}", header, rows),
    )
    return join(element("h3", told.title), details("All settings", content)) if several else content


def _environment(told: Told, several: bool) -> Markup:
    lines = told.dossier.environment_lines
    if not lines:
        return Markup()
    return join(element("h3", told.title), pairs(lines)) if several else pairs(lines)


def _command(told: Told, several: bool) -> Markup:
    words = told.dossier.command
    if not words:
        return Markup()
    code = element("pre", element("code", shlex.join(words)), tabindex=0)
    return join(element("h3", told.title), code) if several else code
