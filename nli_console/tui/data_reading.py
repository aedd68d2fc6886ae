"""Reading datasets for the Data screen: processes do it, daemon threads listen to them and post messages."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.data.browse import Found
from nli_console.data.helper import Helper, found_of, read_genres, read_profile
from nli_console.data.profile import Cancelled, DataProfile
from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import shapes
from nli_console.settings import LoadedSettings
from nli_console.text import clean, clean_line
from nli_console.tui.background import describe, post

LISTED = 20_000
"""Examples that are held at most; a narrower filter reaches the others."""
SHOWN_TEXT = 20_000
"""Characters of a premise or hypothesis that are shown."""
_BATCH = 200
_POST_EVERY = 0.1


@dataclass
class DataOpened(Message):
    """A dataset was found; its files are read next."""

    job: int
    spec: DataSpec


@dataclass
class DataProgress(Message):
    """How far the reading of a dataset is."""

    job: int
    phase: str
    done: int
    total: int
    unit: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, DataProgress) and message.job == self.job


@dataclass
class DataProfiled(Message):
    """The figures of a dataset; ``note`` says why there are no lengths in tokens, if so."""

    job: int
    profile: DataProfile
    note: str


@dataclass
class DataFailed(Message):
    """A dataset cannot be read; the text may be untrusted."""

    job: int
    text: str


@dataclass
class ExamplesRead(Message):
    """The next examples, cleaned. ``rows`` is how many rows the split has, once all were read."""

    job: int
    examples: tuple[Found, ...]
    rows: int | None = None


@dataclass
class Searched(Message):
    """How far the search for examples is, in bytes or rows."""

    job: int
    done: int
    total: int

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Searched) and message.job == self.job


@dataclass
class ExamplesFailed(Message):
    """The examples of a split cannot be read any further."""

    job: int
    text: str


@dataclass
class GenresRead(Message):
    """The genres of a split, cleaned."""

    job: int
    genres: tuple[str, ...]


class GenreReading:
    """Reads which genres a split has. What fails is not told: the reading of its examples says so."""

    def __init__(self, job: int, spec: DataSpec, split: str, target: MessagePump) -> None:
        self._job = job
        self._spec = spec
        self._split = split
        self._target = target
        self._helper: Helper | None = None
        self._closed = False
        Thread(target=self._body, name="console-genres", daemon=True).start()

    def close(self) -> None:
        """Stop reading; nobody waits."""
        self._closed = True
        if self._helper is not None:
            self._helper.close()

    def _body(self) -> None:
        with suppress(Cancelled, ConsoleError):
            genres = read_genres(self._spec, self._split, self._started)
            cleaned = dict.fromkeys(clean_line(genre, limit=80) for genre in genres)
            post(self._target, GenresRead(self._job, tuple(cleaned)))

    def _started(self, helper: Helper) -> None:
        self._helper = helper
        if self._closed:
            helper.close()


class ProfileReading:
    """Opens one dataset and counts what it holds. Messages carry ``job``, so that old ones can be told."""

    def __init__(
        self, job: int, name: str, model: str, settings: LoadedSettings, target: MessagePump
    ) -> None:
        self._job = job
        self._name = name
        self._model = model
        self._settings = settings
        self._target = target
        self._helper: Helper | None = None
        self._closed = False
        Thread(target=self._body, name="console-data", daemon=True).start()

    def close(self) -> None:
        """Stop reading; nobody waits."""
        self._closed = True
        if self._helper is not None:
            self._helper.close()

    def _body(self) -> None:
        try:
            message = self._read()
        except Cancelled:
            return
        except Exception as error:
            message = DataFailed(self._job, describe(error))
        post(self._target, message)

    def _read(self) -> Message:
        spec = resolve_dataset(self._name, self._settings)
        post(self._target, DataOpened(self._job, spec))
        tokenizer, note = None, ""
        if self._model:
            try:
                tokenizer = shapes.find_tokenizer(resolve_model(self._model, self._settings))
                note = "" if tokenizer else f"{self._model} has no tokenizer.json on this machine yet"
            except ConsoleError as error:
                note = str(error)
        profile = read_profile(
            spec, self._settings.cache_dir, tokenizer, progress=self._tell, started=self._started
        )
        return DataProfiled(self._job, profile, clean_line(profile.tokenizer_problem or note))

    def _started(self, helper: Helper) -> None:
        self._helper = helper
        if self._closed:
            helper.close()

    def _tell(self, phase: str, done: int, total: int, unit: str) -> None:
        post(self._target, DataProgress(self._job, phase, done, total, unit))


class ExampleReading:
    """Reads the examples that the process of ``start`` answers with, no further than somebody has asked."""

    def __init__(self, job: int, start: Callable[[], Helper], target: MessagePump, wanted: int) -> None:
        self._job = job
        self._start = start
        self._target = target
        self._wanted = wanted
        self._changed = Condition()
        self._closed = False
        self._helper: Helper | None = None
        Thread(target=self._body, name="console-examples", daemon=True).start()

    def want(self, count: int) -> None:
        """Read on until so many are there."""
        with self._changed:
            self._wanted = max(self._wanted, min(count, LISTED))
            self._changed.notify()

    def close(self) -> None:
        """Stop reading; nobody waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            if self._helper is not None:
                self._helper.close()

    def _body(self) -> None:
        try:
            helper = self._start()
            with helper:
                with self._changed:
                    self._helper = helper
                if not self._closed:
                    self._read(helper)
        except Cancelled:
            return
        except Exception as error:
            post(self._target, ExamplesFailed(self._job, describe(error)))

    def _read(self, helper: Helper) -> None:
        batch: list[Found] = []
        count, posted = 0, monotonic()
        for answer in helper.answers():
            match answer["kind"]:
                case "example":
                    batch.append(_cleaned(found_of(answer)))
                    count += 1
                case "progress":
                    post(self._target, Searched(self._job, answer["done"], answer["total"]))
                case "end":
                    post(self._target, ExamplesRead(self._job, tuple(batch), answer["rows"]))
                    return
            full = count >= self._wanted
            if batch and (full or len(batch) >= _BATCH or monotonic() - posted >= _POST_EVERY):
                post(self._target, ExamplesRead(self._job, tuple(batch)))
                batch, posted = [], monotonic()
            if full and not self._wait(count):
                return

    def _wait(self, count: int) -> bool:
        """Wait until more than ``count`` are wanted; ``False`` when nobody will."""
        if count >= LISTED:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._wanted > count or self._closed)
            return not self._closed


def _cleaned(found: Found) -> Found:
    return Found(
        row=found.row,
        id=clean_line(found.id, limit=80),
        premise=clean(found.premise, limit=SHOWN_TEXT),
        hypothesis=clean(found.hypothesis, limit=SHOWN_TEXT),
        label=found.label,
        genre=None if found.genre is None else clean_line(found.genre, limit=80),
        votes=tuple(clean_line(vote, limit=40) for vote in found.votes[:20]),
    )
