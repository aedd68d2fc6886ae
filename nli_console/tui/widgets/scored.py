"""What the live view says of a run that only scores rows: points of its chart, and how it asks."""

from nli_console.record.store import RunSummary
from nli_console.record.summary import Accuracy, headline_split
from nli_console.text import format_accuracy, format_count
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.raster import Mark


def score_marks(view: RunView) -> list[Mark]:
    """The accuracy so far over all rows scored, one split behind the other."""
    before: dict[str, int] = {}
    marks: list[Mark] = []
    end = 0
    for point in view.scores:
        if point.split not in before:
            before[point.split] = end
        place = before[point.split] + point.done
        end = max(end, before[point.split] + point.total)
        marks.append(Mark(place, point.accuracy, point.low, point.high))
    if marks:
        return marks
    # Records of an earlier version have none on the way.
    for held in view.evaluations:
        end += held.n or 0
        marks.append(Mark(end, held.accuracy, held.low, held.high))
    return marks


def score_reading(run: RunSummary, view: RunView, symbols: Symbols) -> str:
    """The accuracy that counts now, with what it is without calibration and the share of invalid answers."""
    split = headline_split(run.accuracy)
    if split is not None:
        held = run.accuracy[split]
    elif view.scores:
        last, split = view.scores[-1], view.scores[-1].split
        raw = None if last.raw is None else Accuracy(last.raw)
        held = Accuracy(last.accuracy, last.low, last.high, last.n, raw, last.calibration, last.invalid)
    else:
        return ""
    text = f"{format_accuracy(held.value, held.low, held.high)} {split.removeprefix('validation_')}"
    if split not in run.accuracy:
        text += f" so far, of {format_count(held.n)} rows"
    return (f"{text}, {held.brief}" if held.brief else text).replace("±", symbols.minus_plus)


def asking(view: RunView | None) -> list[str]:
    """How the pairs are put: demonstrations, scorer and calibration, as facts of the header."""
    if view is None or view.spec is None or not view.scores_only:
        return []
    chosen = view.spec.hyperparameters
    shots, scorer, calibration = (chosen.get(name) for name in ("shots", "scorer", "calibration"))
    facts: list[str] = []
    if type(shots) is int:
        facts.append("zero-shot" if not shots else f"{shots} shot{'s' if shots > 1 else ''}")
    if isinstance(scorer, str):
        facts.append("answers generated" if scorer == "generation" else "label likelihoods")
    if isinstance(calibration, str) and calibration != "none":
        facts.append(f"{calibration} calibration")
    return facts
