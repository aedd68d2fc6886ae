"""What a comparison and the errors of runs might be, without runs and without a process."""

import math
from pathlib import Path

from nli_console.record.findings import (
    ComparedRun,
    Comparison,
    CurvePoint,
    Explanation,
    PairedTest,
    Query,
    RefusedTest,
    ScoredRow,
    Setting,
    Slice,
)
from nli_console.record.state import RunState, State
from nli_console.record.store import Accuracy, RunSummary
from nli_console.statistics import wilson
from nli_console.text import clean_line
from nli_console.tui.analysing import Answered

HOSTILE = "[/red] 中文 \x1b[31m"
SPLITS = ("validation_matched", "validation_mismatched")


def share(correct: int, n: int) -> Accuracy:
    return Accuracy(correct / n, *wilson(correct, n), n)


def summaries(count: int) -> list[RunSummary]:
    names = ["lora r8", "full fine-tuning", HOSTILE, "top layers"]
    return [
        RunSummary(f"run-{place}", Path(f"/nowhere/run-{place}"), RunState(State.FINISHED), names[place])
        for place in range(count)
    ]


def losses(floor: float, steps: int) -> tuple[CurvePoint, ...]:
    points = []
    for place in range(1, 201):
        step = steps * place // 200
        value = floor + (1.1 - floor) * math.exp(-place / 25) + 0.03 * math.sin(place)
        points.append(CurvePoint(step, 3 * place / 200, 32.0 * step, 0.35 * step, value, n=10))
    return tuple(points)


def comparison(count: int = 3) -> Comparison:
    """``count`` runs, of which the third cannot be tested against the others."""
    runs = tuple(
        ComparedRun(
            id=run.id,
            title=clean_line(run.name),
            path=str(run.path),
            name=clean_line(run.name),
            state="finished" if place != 2 else "stopped",
            reason="" if place != 2 else "stopped by tester",
            notes=() if place != 2 else ("no predictions of validation_matched: they cannot be tested",),
            method=("lora", "full", "head", "top_layers")[place],
            accuracy={split: share(8800 - 150 * place - 40 * at, 9815) for at, split in enumerate(SPLITS)},
            seconds=7_425.0 / (place + 1),
            peak_memory_bytes=5_476_083_302 * (place + 1),
            trainable_parameters=(3_805_187, 355_362_819, 1_052_675, 152_207_363)[place],
            losses=losses(0.25 + 0.1 * place, 12_000 - 3_000 * place),
            evaluations=tuple(
                CurvePoint(1_200 * at, None, None, None, 0.88 - 0.5 / (at + 1 + place), n=2000)
                for at in range(1, 8)
            ),
        )
        for place, run in enumerate(summaries(count))
    )
    a_over_b = PairedTest(
        SPLITS[0], 0, 1, 9815, 8400, 400, 250, 765, 150 / 9815, 0.0102, 0.0204, 4.2e-9, 4.2e-9, False, 34.1
    )
    level = PairedTest(
        SPLITS[1], 0, 1, 9832, 8400, 320, 300, 812, 20 / 9832, -0.003, 0.007, 0.45, 0.45, False, 0.58
    )
    return Comparison(
        runs,
        SPLITS,
        (
            Setting("run", "method", "method", "", ("lora", "full", "head", "top_layers")[:count]),
            Setting(
                "optimiser", "learning_rate", "learning rate", "", ("3e-4", "1e-5", "1e-3", "2e-5")[:count]
            ),
            Setting("LoRA", "r", "r", "", ("8", None, None, None)[:count]),
        ),
        41,
        (a_over_b, level),
        (RefusedTest(SPLITS[0], 0, 2, "scored on different rows: 9,815 against 981"),) if count > 2 else (),
    )


def explanation(query: Query, *, two: bool) -> Explanation:
    """Forty rows, as far as the query asks for errors of one run or of two."""
    rows = tuple(
        ScoredRow(
            row=17 * place + 3,
            id=f"{place}e",
            gold="entailment",
            predicted=("neutral", "contradiction", None)[place % 3],
            genre=("fiction", "telephone")[place % 2],
            scores={"entailment": 0.02, "neutral": 0.9, "contradiction": 0.08},
            loss=5.0 - place / 10,
            premise=f"A man buys {place} apples at the market. {HOSTILE}",
            hypothesis=f"Somebody buys {place} apples, a sentence that may be longer than a line.",
            votes=("entailment", "entailment", "entailment", "neutral", "entailment"),
            words=24,
            negated=place % 2 == 1,
            overlap=0.4,
            other_predicted="entailment" if two else None,
            other_scores={"entailment": 0.8, "neutral": 0.15, "contradiction": 0.05} if two else None,
        )
        for place in range(40)
    )
    other = share(850, 984) if two else None
    slices = tuple(
        Slice(by, value, share(n - 40, n), share(n - 60, n) if two else None)
        for by, value, n in (
            ("genre", "fiction", 500), ("genre", "telephone", 484), ("gold", "entailment", 330),
            ("length", "16-25", 700), ("negation", "yes", 240), ("overlap", "25-50", 400),
            ("votes", "4-1", 300),
        )
    )  # fmt: skip
    return Explanation(
        split=query.split or SPLITS[0],
        splits=SPLITS,
        title="lora r8",
        total=120,
        n=984,
        accuracy=share(864, 984),
        slices=slices,
        rows=rows[: 1 if query.contains else 40],
        other_title="full fine-tuning" if two else None,
        other=other,
    )


class Answering:
    """Stands in for the process and its thread: every question is answered at once."""

    def __init__(self, target) -> None:
        self._target = target
        self._job = 0
        self.closed = False
        self.cancelled = 0

    def ask(self, question) -> int:
        self._job += 1
        # The screen is told after it has taken note of the number.
        self._target.call_later(
            self._target.post_message, Answered(self._job, question(self, lambda *_: None))
        )
        return self._job

    def cancel(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        self.closed = True

    def compare(self, runs, tell) -> Comparison:
        return comparison(len(runs))

    def explain(self, run, query, *, against, progress) -> Explanation:
        return explanation(query, two=against is not None)

    def export(self, runs, format, tell) -> str:
        return f"{format} of {len(runs)} runs\n"

    def report(self, runs, tell) -> str:
        return f"report of {len(runs)} runs\n"
