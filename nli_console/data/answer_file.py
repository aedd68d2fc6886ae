"""The file that ``nli-console predict`` writes: appended block by block, and gone on with where it ends."""

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from nli_console.data.pairs import Pair, format_of
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

MADE_BY = ".made-by.json"
"""What is put behind the file's name for the record of what its rows are, which a later call compares."""
FORMATS = (".jsonl", ".csv")
_COLUMNS = ("row", "id", "premise", "hypothesis", "predicted")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one pair.

    Attributes:
        predicted: a label; ``None`` where what was written names none.
        probabilities: of :data:`LABELS`; ``None`` where the model writes and is not asked for likelihoods.
        text: that was written.
    """

    predicted: str | None
    probabilities: tuple[float, ...] | None = None
    text: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``predicted``, ``probabilities`` by label and, where the model writes, ``answer``."""
        shown = None if self.probabilities is None else dict(zip(LABELS, self.probabilities, strict=True))
        fields: dict[str, Any] = {"predicted": self.predicted, "probabilities": shown}
        return fields if self.text is None else {**fields, "answer": self.text}


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Where the rows of a file come from: it goes on only with the same.

    Attributes:
        answers: changes whenever the answers do; ``title`` names for people who gives them.
        input: SHA-256 of the pairs; ``input_name`` is for people.
        written: whether the model writes its answers, so that there is a column for them.
    """

    title: str
    answers: str
    input_name: str
    input: str
    written: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "v": 1,
            "title": self.title,
            "answers": self.answers,
            "input_name": self.input_name,
            "input": self.input,
            "written": self.written,
        }


class AnswerFile:
    """Use as a context manager. One process at a time writes the file.

    Attributes:
        done: rows that were there when it was opened.
    """

    def __init__(self, path: Path, made_by: MadeBy, *, overwrite: bool = False) -> None:
        self._path = path
        self._name = clean_line(path, limit=200)
        self._format = format_of(path, "--output", FORMATS)
        self._made_by = made_by
        self._overwrite = overwrite
        self._file: BinaryIO | None = None
        self._fresh = True
        self.done = 0

    def __enter__(self) -> Self:
        """Open it, behind the last whole row.

        Raises:
            ConsoleError: it holds something else, is being written, or cannot be opened.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a regular file"
            raise ConsoleError(f"--output {self._name}: cannot be written: {reason}") from error
        try:
            self._begin(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        if os.fstat(self._file.fileno()).st_size == 0:
            # Nothing was answered: no file is left that a later call would have to make sense of.
            self._path.unlink(missing_ok=True)
        self._file.close()

    def append(self, first_row: int, pairs: Sequence[Pair], answers: Sequence[Answer]) -> None:
        """Write a block whose first row is number ``first_row``, from 1.

        Raises:
            ConsoleError: the disk is full; the next call goes on behind the last whole row.
        """
        assert self._file is not None
        rows = [
            self._row(first_row + place, pair, answer)
            for place, (pair, answer) in enumerate(zip(pairs, answers, strict=True))
        ]
        if self._fresh:
            self._start(self._file)
        self._write(self._file, b"".join(rows))

    # -- opening ---------------------------------------------------------------------------------------------

    def _begin(self, file: BinaryIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConsoleError(
                f"--output {self._name}: another process is writing it; wait for its end"
            ) from None
        except OSError:
            # Some network file systems have no locks.
            pass
        if self._overwrite or os.fstat(file.fileno()).st_size == 0:
            return
        self._require_same()
        self.done, end = self._whole_rows(file)
        file.truncate(end)
        file.seek(0, os.SEEK_END)
        self._fresh = not self.done

    def _start(self, file: BinaryIO) -> None:
        """Begin the file anew, and not before there is an answer: a failure until then loses nothing."""
        file.truncate(0)
        file.seek(0)
        record = json.dumps(self._made_by.to_json(), indent=1, ensure_ascii=True) + "\n"
        self._beside.write_text(record, encoding="utf-8")
        if self._format != ".jsonl":
            self._write(file, self._line(self._columns))
        self._fresh = False

    @property
    def _beside(self) -> Path:
        return self._path.with_name(self._path.name + MADE_BY)

    def _require_same(self) -> None:
        way_out = "name another --output, or give --overwrite to begin anew"
        try:
            made = json.loads(self._beside.read_text(encoding="utf-8"))
            before = {key: made[key] for key in self._made_by.to_json()}
        except (OSError, ValueError, KeyError, TypeError):
            raise ConsoleError(
                f"--output {self._name}: is there already, and no {clean_line(self._beside.name)} says that "
                f"predict made it; {way_out}"
            ) from None
        now = self._made_by
        if before["answers"] != now.answers:
            whose = clean_line(before["title"], limit=120)
            other = (
                f"{whose} and not {now.title}"
                if whose != now.title
                else f"{whose} as it was, or asked otherwise"
            )
            raise ConsoleError(f"--output {self._name}: holds the answers of {other}; {way_out}")
        if before["input"] != now.input:
            raise ConsoleError(
                f"--output {self._name}: holds the answers to other pairs than {clean_line(now.input_name)} "
                f"has now (it was begun with {clean_line(before['input_name'], limit=120)}); {way_out}"
            )

    def _whole_rows(self, file: BinaryIO) -> tuple[int, int]:
        """How many rows stand there whole, and the byte where the last of them ends."""
        file.seek(0)
        lines = _Lines(io.BufferedReader(_Unclosed(file), 1024 * 1024))  # type: ignore[arg-type]
        rows = end = 0
        if self._format == ".jsonl":
            for _ in lines:
                if not lines.torn:
                    rows, end = rows + 1, lines.end
            return rows, end
        try:
            for _ in csv.reader(lines, strict=True):
                if not lines.torn:
                    rows, end = rows + 1, lines.end
        except csv.Error:
            pass  # A quote is open where the last row is torn.
        return max(rows - 1, 0), end

    # -- rows ------------------------------------------------------------------------------------------------

    @property
    def _columns(self) -> list[str]:
        texts = ["answer"] if self._made_by.written else [f"probability_{label}" for label in LABELS]
        return [*_COLUMNS, *texts]

    def _row(self, number: int, pair: Pair, answer: Answer) -> bytes:
        if self._format == ".jsonl":
            fields = {"row": number, "id": pair.id, "premise": pair.premise, "hypothesis": pair.hypothesis}
            # ASCII, so that a lone surrogate of the input can be written, too.
            return json.dumps({**fields, **answer.to_json()}, allow_nan=False).encode() + b"\n"
        shown = [answer.text or ""] if self._made_by.written else [*map(repr, answer.probabilities or ())]
        return self._line(
            [str(number), pair.id or "", pair.premise, pair.hypothesis, answer.predicted or "", *shown]
        )

    def _line(self, fields: list[str]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(fields)
        return text.getvalue().encode("utf-8", "replace")

    def _write(self, file: BinaryIO, content: bytes) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise ConsoleError(
                f"--output {self._name}: cannot be written: {error.strerror}; the same command goes on "
                "behind its last whole row",
                exit_code=1,
            ) from error


class _Lines:
    """Lines as text; ``end`` is the byte behind the one given last, ``torn`` whether it lacks its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.end = 0
        self.torn = False

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.end += len(line)
            self.torn = not line.endswith(b"\n")
            yield line.decode("utf-8", "replace")


class _Unclosed(io.RawIOBase):
    """Reads from a file and leaves it open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined]
