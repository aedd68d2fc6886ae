"""What was said in a chat: one JSONL file a conversation, appended turn by turn, and its export to Markdown.

Files are private (0600) and stand in ``transcripts/`` of the user's state folder. Tokens and passwords in
what was written are hidden before it is kept.
"""

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nli_console.errors import ConsoleError
from nli_console.record.files import ensure_private_dir
from nli_console.record.journal import Journal, Tail
from nli_console.record.secrets import scrub
from nli_console.settings import state_folder
from nli_console.text import clean, clean_line

Role = Literal["system", "user", "assistant", "pair"]

ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_ROLES = frozenset({"system", "user", "assistant", "pair"})
_TITLE = 80
_LONGEST_RUN = re.compile(r"`+")


@dataclass(frozen=True)
class Said:
    """One turn.

    Attributes:
        role: ``pair`` is a question about a premise and a hypothesis; ``text`` is then the filled template.
        text: raw; clean it before it is shown.
        details: what belongs to it: of a pair ``premise``, ``hypothesis``, ``gold``, ``template``, ``shots``;
            of an answer ``prompt`` (the exact text that the model read), ``model``, ``adapter``, ``label``,
            ``raw``, ``calibrated``, ``tokens``, ``seconds``, ``sampling`` and the like. JSON values.
        t: seconds since the epoch.
    """

    role: Role
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    t: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Listed:
    """A transcript as a list shows it; ``title`` is the beginning of what was first said."""

    id: str
    path: Path
    model: str
    title: str
    turns: int
    modified: float


class Transcript:
    """One conversation. The file is made by the first turn; an opened one goes on where it ended.

    Attributes:
        id: its name.
        model: that it was begun with.
        turns: what was said so far.
        bad_lines: lines of the file that could not be read, and were left out.
    """

    def __init__(self, path: Path, model: str, turns: Iterable[Said] = (), bad_lines: int = 0) -> None:
        self.path = path
        self.model = model
        self.turns = list(turns)
        self.bad_lines = bad_lines
        self._journal: Journal | None = None
        self._begun = bool(self.turns)

    @property
    def id(self) -> str:
        return self.path.stem

    def append(self, said: Said) -> None:
        """Keep a turn, in the file first.

        Raises:
            ConsoleError: it cannot be written, or is too long for one line; nothing is lost that was kept.
        """
        text, details = scrub(said.text), _scrubbed(said.details)
        record = {"kind": "turn", "t": said.t, "role": said.role, "text": text, "details": details}
        try:
            if self._journal is None:
                ensure_private_dir(self.path.parent)
                self._journal = Journal(self.path)
            if not self._begun:
                self._journal.append({"v": 1, "kind": "start", "t": said.t, "model": self.model})
                self._begun = True
            self._journal.append(record)
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else str(error)
            raise ConsoleError(
                f"{clean_line(self.path)}: the transcript cannot be written: {cause}; export it to another "
                "place before you leave"
            ) from error
        self.turns.append(Said(said.role, text, details, said.t))

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def default_folder() -> Path:
    """Where transcripts stand."""
    return state_folder() / "transcripts"


def begin(model: str, folder: Path | None = None) -> Transcript:
    """A new conversation with ``model`` (the user's word for it)."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return Transcript((folder or default_folder()) / f"{name}.jsonl", model)


def reopen(id: str, folder: Path | None = None) -> Transcript:
    """The transcript ``id``, to be read and gone on with.

    Raises:
        ConsoleError: there is none of this name.
    """
    path = (folder or default_folder()) / f"{id}.jsonl"
    if not ID.fullmatch(id) or not path.is_file():
        raise ConsoleError(
            f'transcript "{clean_line(id, limit=80)}": there is none in {clean_line(path.parent)}; expected '
            "an id such as 20261123-140255-3f2a"
        )
    return _read(path)


def listed(folder: Path | None = None, *, most: int = 200) -> list[Listed]:
    """The newest transcripts, the latest first."""
    try:
        paths = [path for path in (folder or default_folder()).glob("*.jsonl") if ID.fullmatch(path.stem)]
    except OSError:
        return []
    found: list[Listed] = []
    for path in sorted(paths, reverse=True)[:most]:
        transcript = _read(path)
        if not transcript.turns:
            continue
        first = next((turn for turn in transcript.turns if turn.role != "system"), transcript.turns[0])
        title = str(first.details.get("premise") or first.text)
        found.append(
            Listed(
                transcript.id,
                path,
                clean_line(transcript.model, limit=80),
                clean_line(title, limit=_TITLE),
                len(transcript.turns),
                transcript.turns[-1].t,
            )
        )
    return found


def to_markdown(transcript: Transcript) -> str:
    """The whole conversation. Texts stand in fences that they cannot end, cleaned and without secrets."""
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(transcript.turns[0].t if transcript.turns else 0))
    lines = [f"# Chat with {_inline(transcript.model)}", "", f"{transcript.id}, begun {begun}"]
    for turn in transcript.turns:
        lines += ["", f"## {_heading(turn)}", ""]
        lines += _pair(turn) if turn.role == "pair" else []
        lines += _fenced(turn.text)
        lines += _facts(turn.details)
        if isinstance(prompt := turn.details.get("prompt"), str):
            lines += ["", "What the model read:", "", *_fenced(prompt)]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> Transcript:
    tail = Tail(path)
    model, turns = "", list[Said]()
    while True:
        batch = tail.read()
        for record in batch.records:
            if record.get("kind") == "start":
                model = str(record.get("model", ""))
            elif (said := _turn(record)) is not None:
                turns.append(said)
        if not batch.more:
            return Transcript(path, model, turns, tail.bad_lines)


def _turn(record: Mapping[str, Any]) -> Said | None:
    role, text, details, t = (record.get(key) for key in ("role", "text", "details", "t"))
    if role not in _ROLES or not isinstance(text, str) or not isinstance(t, int | float):
        return None
    return Said(role, text, details if isinstance(details, dict) else {}, float(t))


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {str(key): _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return value


def _heading(turn: Said) -> str:
    if turn.role == "assistant":
        adapter = turn.details.get("adapter")
        return f"Assistant, {_inline(adapter)}" if adapter else "Assistant"
    return {"pair": "Question", "user": "User", "system": "System"}[turn.role]


def _pair(turn: Said) -> list[str]:
    lines = [
        f"- {name}: {_inline(turn.details[name])}"
        for name in ("premise", "hypothesis", "gold", "template", "shots")
        if turn.details.get(name) not in (None, "", [])
    ]
    return [*lines, ""] if lines else []


def _facts(details: Mapping[str, Any]) -> list[str]:
    lines = [f"- read as: {_inline(details['label'] or 'no label')}"] if "label" in details else []
    for key, name in (("raw", "probabilities"), ("calibrated", "calibrated")):
        values = details.get(key)
        if isinstance(values, Mapping):
            shares = ", ".join(
                f"{_inline(label)} {100 * value:.1f} %"
                for label, value in values.items()
                if isinstance(value, int | float)
            )
            lines.append(f"- {name}: {shares}")
    return ["", *lines] if lines else []


def _inline(value: object) -> str:
    """Text in a line of Markdown, as it is: a code span that it cannot leave."""
    text = clean_line(scrub(value if isinstance(value, str) else str(value)), limit=2000)
    if re.fullmatch(r"[\w ./:-]*", text):
        return text
    fence = "`" * (max((len(run) for run in _LONGEST_RUN.findall(text)), default=0) + 1)
    return f"{fence} {text} {fence}"


def _fenced(text: str) -> list[str]:
    shown = clean(scrub(text))
    fence = "`" * max(max((len(run) for run in _LONGEST_RUN.findall(shown)), default=0) + 1, 3)
    return [f"{fence}text", shown, fence]
