"""``python -m nli_console.worker predict``: labels and probabilities of one pair, or of a file of them."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from nli_console.data.answer_file import AnswerFile, MadeBy
from nli_console.data.pairs import Pair, check, read_pairs
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.record.answering import Prediction
from nli_console.record.sources import verify
from nli_console.worker.chat.channel import Tell
from nli_console.worker.chat.place import Place, take_place
from nli_console.worker.download import model_folder
from nli_console.worker.errand import carry_out
from nli_console.worker.stop import StopFlag

HOLDER = "predict"
"""What those who wait for the slot are told of who has it."""
BLOCK_BATCHES = 8
"""Batches of rows that are sorted by length and written together: what a kill loses at most."""


def main() -> int:
    """Carry out one request."""
    return carry_out(Prediction, predict)


def predict(request: Prediction, tell: Tell, flag: StopFlag) -> dict[str, Any]:
    """Answer what is asked; the fields of the last event.

    Raises:
        ConsoleError: the pairs, the model or the output cannot be used.
        Stopped: a stop was asked for; the rows written so far are whole.
    """
    if not request.input:
        with _loaded(_answering(request, tell, flag), request, tell, flag) as (ask, _):
            (answer,) = ask([Example("", request.premise, request.hypothesis, 0)])
        return answer.to_json()
    return _file(request, tell, flag)


@contextmanager
def _loaded(answering: Any, request: Prediction, tell: Tell, flag: StopFlag) -> Iterator[tuple[Any, Place]]:
    """What answers, on a device of its own while entered."""
    place = take_place(request.answerer, tell, flag, HOLDER)
    try:
        tell("phase", phase="loading", detail=request.answerer.model_name)
        yield answering.load(tell, flag), place
    finally:
        place.lease.release()


def _answering(request: Prediction, tell: Tell, flag: StopFlag) -> Any:
    """What is to answer, its files at hand and compared with what was asked for."""
    answerer = request.answerer
    if answerer.evaluates is not None:
        tell("phase", phase="verifying", detail=answerer.title)
        verify(answerer.evaluates)

    def downloading(done: int, total: int | None) -> None:
        tell("phase", phase="downloading", done=done, total=total, unit="bytes", detail=answerer.model_name)

    folder = model_folder(answerer.model, downloading, flag)
    flag.check()
    tell("phase", phase="starting")
    with flag.at_once():
        from nli_console.worker.answering import Answering
    return Answering(answerer, folder)


def _file(request: Prediction, tell: Tell, flag: StopFlag) -> dict[str, Any]:
    source, target = Path(request.input), Path(request.output)
    if source.resolve() == target.resolve():
        raise ConsoleError(f"--output {request.output}: is the input; name another file")

    def reading(done: int, total: int, unit: str) -> None:
        tell("phase", phase="reading", done=done, total=total, unit=unit, detail=source.name)
        flag.check()

    checked = check(source, reading)
    answering = _answering(request, tell, flag)
    made_by = MadeBy(
        request.answerer.title, answering.identity, source.name, checked.digest, answering.written
    )
    counts: Counter[str | None] = Counter()
    with AnswerFile(target, made_by, overwrite=request.overwrite) as file:
        first, started = file.done, time.perf_counter()
        done = first
        if done == checked.rows:
            tell("note", text=f"all {done:,} rows are there already")
        elif done:
            tell("note", text=f"{done:,} of {checked.rows:,} rows are there already; going on behind them")
        if done < checked.rows:
            with _loaded(answering, request, tell, flag) as (ask, place):
                started = time.perf_counter()
                rows = islice(_pairs(source), done, None)
                while block := list(islice(rows, BLOCK_BATCHES * answering.batch_size)):
                    answers = ask([Example("", pair.premise, pair.hypothesis, 0) for pair in block])
                    file.append(done + 1, block, answers)
                    done += len(block)
                    counts.update(answer.predicted for answer in answers)
                    tell("phase", phase="predicting", done=done, total=checked.rows, unit="rows", begun=first)
                    place.lease.renew()
                    flag.check()
    return {
        "rows": done,
        "new": done - first,
        "seconds": time.perf_counter() - started,
        "counts": {label: count for label, count in counts.items() if label is not None},
        "invalid": counts[None],
    }


def _pairs(source: Path) -> Iterator[Pair]:
    """The pairs of a file that was checked before."""
    for pair in read_pairs(source):
        if not isinstance(pair, Pair):
            raise ConsoleError("the input was changed while it was read; call the same command again")
        yield pair
