"""Scoring a prompt: the run that does it, how far it is, and how a quick check is told."""

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from nli_console.data.spec import LABELS
from nli_console.methods import presets
from nli_console.record.compose import Draft
from nli_console.record.evidence import latest_attempt
from nli_console.record.glance import end_of
from nli_console.record.layout import RunLayout
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.supervisor.chat_events import Checked, Share
from nli_console.text import clean_line, format_accuracy
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line, pack
from nli_console.tui.widgets.sparkline import progress_bar

QUICK_ROWS = 50
USUAL_ROWS = "200"
"""Rows of a run that scores a prompt, as a form would hold them; all are asked for in words."""
ALL = "all"


@dataclass
class RunSeen(Message):
    """How far the run that scores the prompt is."""

    run: RunSummary
    remark: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunSeen)


def rows_problem(text: str) -> str | None:
    """What is wrong with a number of rows to score."""
    if text == ALL or (text.isdecimal() and int(text) > 0):
        return None
    return f"Expected a number of rows above 0, or {ALL}."


def draft_of(
    model: str,
    data: str,
    template: str,
    shots: int,
    seed: int,
    quantisation: str,
    *,
    split: str = "",
    rows: int = 0,
) -> Draft:
    """The ``icl`` run that scores a template.

    Args:
        split: that is scored; empty means all that are labelled but train.
        rows: of each split; 0 means all.
    """
    preset = presets.default_for("icl", model)
    values: dict[str, Any] = {"template": template, "shots": shots, "quantisation": quantisation}
    return Draft(
        method="icl",
        hyperparameters={**preset.hyperparameters, **values},
        preset=preset.name,
        model=model,
        data=data,
        seed=seed,
        evaluate_on=(split,) if split else (),
        evaluation_rows=rows,
        name=f"{template}, {shots} shots",
        launcher="tui",
    )


def look_at(run: RunSummary) -> RunSeen:
    """Read what the run said last of its accuracy so far."""
    number = latest_attempt(run.layout)
    records = end_of(run.layout.attempt(number).metrics)[0] if number else []
    remark = next((str(each["remark"]) for each in reversed(records) if each.get("remark")), "")
    return RunSeen(run, clean_line(remark, limit=80))


def accuracies(run: RunSummary) -> str:
    """The accuracies of a run, each with its split, interval and number of rows."""
    return "  ".join(
        f"{split} {format_accuracy(each.value, each.low, each.high)} n {each.n:,}"
        for split, each in run.accuracy.items()
    )


def first_scored(layout: RunLayout) -> str:
    """The split whose mistakes can be read first; empty where there is none."""
    names = sorted(path.stem for path in layout.predictions.glob("*.parquet"))
    wanted = load_spec(layout).data.evaluate_on
    return next((name for name in (*wanted, *names) if name in names), "")


def check_lines(checked: Checked, symbols: Symbols, width: int) -> list[Line]:
    """How far a quick check is, and the accuracies so far with their intervals."""
    bar = progress_bar(checked.done / max(checked.total, 1), 10, ascii_only=symbols.ascii)
    ink = "foreground" if checked.over else "state-running"
    parts: list[Line] = [
        [("check ", "muted"), (f"{bar} {checked.done} of {checked.total}", ink)],
        [("raw ", "muted"), (_share(checked.raw), "bold foreground")],
        [("calibrated ", "muted"), (_share(checked.calibrated), "foreground")],
    ]
    wrong = len(wrong_rows(checked))
    if checked.over and wrong:
        parts.append([(f"e: {wrong} wrong", "accent")])
    return pack(parts, width)


def wrong_rows(checked: Checked) -> list[tuple[str, str, str]]:
    """Premise, hypothesis and right label of each row whose likeliest label is another one."""
    return [
        (row.example.premise, row.example.hypothesis, LABELS[row.example.label])
        for row in checked.rows
        if not row.right(calibrated=False)
    ]


def run_lines(seen: RunSeen, symbols: Symbols, width: int) -> list[Line]:
    """The run that scores the prompt; accuracies with their intervals and numbers of rows."""
    run, state = seen.run, seen.run.state.state
    parts: list[Line] = [
        [("run ", "muted"), (run.name or run.id, "foreground")],
        [(f"{symbols.states[state]} {state.value}", f"state-{state.value}")],
    ]
    if state != State.FINISHED:
        return pack([*parts, [(seen.remark or run.reason, "foreground")]], width)
    for split, accuracy in run.accuracy.items():
        figure = format_accuracy(accuracy.value, accuracy.low, accuracy.high)
        parts.append([(f"{split} ", "muted"), (figure, "bold foreground"), (f" n {accuracy.n:,}", "muted")])
    return pack([*parts, [("e: errors", "accent")]], width)


def _share(share: Share) -> str:
    return format_accuracy(share.value, share.low, share.high) if share.n else "–"
