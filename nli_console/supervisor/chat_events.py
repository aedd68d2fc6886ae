"""What a chat engine says, as typed events. Every text in them is cleaned here, once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nli_console.data.prompts import Piece
from nli_console.data.spec import LABELS, Example
from nli_console.methods.checks import Finding
from nli_console.text import clean, clean_line

Kind = Literal["refused", "not_loaded", "out_of_memory", "failed", "crashed"]
"""Why a request came to nothing: it asked for something that cannot be; there is no model; what there is of
memory does not suffice; a defect; or the process ended under it."""

Probabilities = Mapping[str, float]
"""Label name → probability; they add up to 1."""


@dataclass(frozen=True)
class Waiting:
    """A load waits for a device. ``holder`` names the runs or the chat that have it, where that is known."""

    id: int
    what: str
    holder: str = ""


@dataclass(frozen=True)
class Loading:
    """A step of a load; ``done`` and ``total`` in ``unit`` where it can be counted."""

    id: int
    step: str
    done: int | None = None
    total: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class Loaded:
    """The model is there. Sizes are in bytes; the peak is that of loading, ``None`` where nobody knows.

    Attributes:
        slot: of the queue that it takes: ``cpu-0``, or ``gpu-`` and a UUID.
        positions: tokens that prompt and answer may take together; ``None`` without a limit.
        chat_template: whether the model can be talked to; without one only raw templates can be used.
    """

    id: int
    device: str
    precision: str
    slot: str
    seconds: float
    parameters: int
    weights_bytes: int
    peak_memory_bytes: int | None
    positions: int | None
    chat_template: bool


@dataclass(frozen=True)
class Fragment:
    """The next piece of an answer."""

    id: int
    text: str


@dataclass(frozen=True)
class Answered:
    """A whole answer.

    Attributes:
        label: what the parser reads in it; ``None``: no label.
        tokens: that were generated; ``prompt_tokens`` were read.
        tokens_per_second: after the first token; ``None`` for too few to tell.
        ended: by an end token, at ``max_new_tokens``, for want of positions, or by a stop.
    """

    id: int
    text: str
    label: str | None
    tokens: int
    prompt_tokens: int
    seconds: float
    first_token_seconds: float | None
    tokens_per_second: float | None
    ended: Literal["end", "limit", "positions", "stopped"]
    peak_memory_bytes: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """How likely each label is. ``log_likelihoods`` are of the label words in the whole vocabulary."""

    id: int
    log_likelihoods: Mapping[str, float]
    raw: Probabilities
    calibrated: Probabilities
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attached:
    """An adapter is beside the model. ``template``: that it was trained with, where that is recorded."""

    id: int
    adapter: str
    template: str


@dataclass(frozen=True)
class Rendered:
    """What the model would read: control tokens that act are ``special`` pieces.

    Attributes:
        only_text: names of control tokens that stand in the text and do not act.
    """

    id: int
    pieces: tuple[Piece, ...]
    tokens: int
    positions: int | None
    findings: tuple[Finding, ...]
    only_text: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def marked(self) -> str:
        """The text without colours: a backslash stands before what looks like a control token and is none."""
        if not self.only_text:
            return self.text
        names = re.compile("|".join(map(re.escape, sorted(self.only_text, key=len, reverse=True))))
        return "".join(
            piece.text if piece.special else names.sub(lambda match: f"\\{match[0]}", piece.text)
            for piece in self.pieces
        )


@dataclass(frozen=True)
class Demonstrated:
    """The demonstrations that were asked for. Their texts are raw: models read them."""

    id: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Share:
    """An accuracy with its 95 % Wilson interval."""

    correct: int
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CheckedRow:
    """A row of a quick check. The pair is raw: it may be asked again."""

    example: Example
    raw: Probabilities
    calibrated: Probabilities

    def right(self, *, calibrated: bool) -> bool:
        """Whether the likeliest label is the gold one."""
        chosen = self.calibrated if calibrated else self.raw
        return max(LABELS, key=lambda label: chosen[label]) == LABELS[self.example.label]


@dataclass(frozen=True)
class Checked:
    """How far a quick check is; ``over`` for the last of them, which has the rows."""

    id: int
    done: int
    total: int
    raw: Share
    calibrated: Share
    over: bool = False
    rows: tuple[CheckedRow, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """A request ended because it was asked to."""

    id: int


@dataclass(frozen=True)
class Failed:
    """A request came to nothing; ``message`` says why and what to do."""

    id: int
    message: str
    kind: Kind


@dataclass(frozen=True)
class Unloaded:
    """The model, its memory and its device are free. ``crashed``: ``message`` says what happened."""

    reason: Literal["asked", "idle", "failed", "crashed"]
    message: str = ""


Event = (
    Waiting
    | Loading
    | Loaded
    | Fragment
    | Answered
    | Scored
    | Attached
    | Rendered
    | Demonstrated
    | Checked
    | Stopped
    | Failed
    | Unloaded
)


def read_event(op: str, id: int, record: Mapping[str, Any]) -> Event | None:
    """An event about request ``id``, of kind ``op``; ``None`` for one that says nothing new.

    Raises:
        KeyError, TypeError, ValueError: no event of this program.
    """
    match record["event"]:
        case "waiting":
            return Waiting(id, clean_line(record["what"], limit=200), clean_line(record["holder"], limit=200))
        case "loading":
            done, total = record.get("done"), record.get("total")
            return Loading(
                id, clean_line(record["step"], limit=80), done, total, clean_line(record.get("unit", ""))
            )
        case "text":
            return Fragment(id, clean(record["text"]))
        case "checked":
            return _checked(id, record, over=False)
        case "stopped":
            return Stopped(id)
        case "error":
            return Failed(id, clean(record["message"], limit=1000), record["kind"])
        case "done":
            return _DONE[op](id, record) if op in _DONE else None
    raise ValueError(f"unknown event {clean_line(record['event'], limit=40)}")


def _loaded(id: int, record: Mapping[str, Any]) -> Loaded:
    return Loaded(
        id=id,
        device=clean_line(record["device"], limit=80),
        precision=record["precision"],
        slot=clean_line(record["slot"], limit=80),
        seconds=record["seconds"],
        parameters=record["parameters"],
        weights_bytes=record["weights_bytes"],
        peak_memory_bytes=record["peak_memory_bytes"],
        positions=record["positions"],
        chat_template=record["chat_template"],
    )


def _answered(id: int, record: Mapping[str, Any]) -> Answered:
    return Answered(
        id=id,
        text=clean(record["text"]),
        label=record["label"],
        tokens=record["tokens"],
        prompt_tokens=record["prompt_tokens"],
        seconds=record["seconds"],
        first_token_seconds=record["first_token_seconds"],
        tokens_per_second=record["tokens_per_second"],
        ended=record["ended"],
        peak_memory_bytes=record["peak_memory_bytes"],
        notes=_notes(record),
    )


def _scored(id: int, record: Mapping[str, Any]) -> Scored:
    return Scored(
        id=id,
        log_likelihoods=_by_label(record["log_likelihoods"]),
        raw=_by_label(record["raw"]),
        calibrated=_by_label(record["calibrated"]),
        notes=_notes(record),
    )


def _rendered(id: int, record: Mapping[str, Any]) -> Rendered:
    return Rendered(
        id=id,
        pieces=tuple(Piece(clean(text), bool(special)) for text, special in record["pieces"]),
        tokens=record["tokens"],
        positions=record["positions"],
        findings=tuple(Finding(**finding) for finding in record["findings"]),
        only_text=tuple(map(clean, record.get("only_text", ()))),
    )


def _checked(id: int, record: Mapping[str, Any], *, over: bool) -> Checked:
    rows = record.get("rows", ())
    return Checked(
        id=id,
        done=record["done"],
        total=record["total"],
        raw=Share(**record["raw"]),
        calibrated=Share(**record["calibrated"]),
        over=over,
        rows=tuple(map(_checked_row, rows)),
        notes=_notes(record),
    )


def _checked_row(row: Mapping[str, Any]) -> CheckedRow:
    label = LABELS.index(row["gold"])
    example = Example(row["id"], row["premise"], row["hypothesis"], label, row["genre"])
    return CheckedRow(example, _by_label(row["raw"]), _by_label(row["calibrated"]))


def _example(row: Mapping[str, Any]) -> Example:
    return Example(**{**row, "annotator_labels": tuple(row["annotator_labels"])})


_DONE: dict[str, Any] = {
    "load": _loaded,
    "generate": _answered,
    "score": _scored,
    "attach": lambda id, record: Attached(id, record["adapter"], clean_line(record["template"], limit=80)),
    "render": _rendered,
    "demonstrate": lambda id, record: Demonstrated(id, tuple(map(_example, record["examples"]))),
    "check": lambda id, record: _checked(id, record, over=True),
}


def _by_label(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(LABELS, (float(value) for value in values), strict=True))


def _notes(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(clean_line(note, limit=300) for note in record.get("notes", ()))
