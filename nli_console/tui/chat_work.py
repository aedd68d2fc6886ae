"""What the chat pane does away from the event loop: find names, read and save templates, keep transcripts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.data.chat import Load, Quantisation
from nli_console.data.layouts import TRAIN
from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.data.prompts.catalogue import Catalogue
from nli_console.data.read import split_names
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import presets
from nli_console.record.store import RunSummary
from nli_console.record.trained_adapters import TrainedAdapter, adapters_over
from nli_console.settings import LoadedSettings, user_folder
from nli_console.supervisor.chat import load_request
from nli_console.text import clean_line
from nli_console.tui.background import describe, post
from nli_console.tui.messages import Failure


@dataclass
class ModelNamed(Message):
    """The model was looked up: ``load`` loads it, and ``template`` is what it is usually asked with.

    ``problem`` says why there is no ``load``.
    """

    load: Load | None
    template: str
    problem: str = ""


@dataclass
class TemplatesRead(Message):
    """The prompt templates, and a sentence for each file that is none; ``use`` is to be chosen now."""

    templates: Catalogue
    use: str = ""


@dataclass
class DataNamed(Message):
    """A dataset was found, with its splits, the one to begin with first."""

    name: str
    spec: DataSpec | None
    splits: tuple[str, ...] = ()
    problem: str = ""


@dataclass
class AdaptersFound(Message):
    """The adapters over a model that can answer."""

    model: str
    adapters: tuple[TrainedAdapter, ...]


def name_model(name: str, quantisation: Quantisation | None, settings: LoadedSettings) -> ModelNamed:
    """Look a model up by the user's word for it."""
    try:
        load = load_request(name, settings, quantisation=quantisation)
    except ConsoleError as error:
        return ModelNamed(None, "", str(error))
    usual = presets.default_for("icl", name).hyperparameters.get("template", "recommended")
    return ModelNamed(load, str(usual))


def read_templates(use: str = "") -> TemplatesRead:
    return TemplatesRead(catalogue.scan(user_folder()), use)


def save_template(template: PromptTemplate, *, overwrite: bool) -> TemplatesRead:
    """Keep a template as a file of the user's own, and read all again.

    Raises:
        ConsoleError: it cannot be written, or the name is taken.
    """
    catalogue.save(template, user_folder(), overwrite=overwrite)
    return read_templates(template.name)


def name_data(name: str, settings: LoadedSettings) -> DataNamed:
    """Find a dataset and its splits."""
    try:
        spec = resolve_dataset(name, settings)
        names = split_names(spec)
    except Exception as error:
        return DataNamed(name, None, problem=describe(error))
    names.sort(key=lambda split: split == TRAIN)
    return DataNamed(name, spec, tuple(names))


def find_adapters(model: str, runs: tuple[RunSummary, ...]) -> AdaptersFound:
    return AdaptersFound(model, tuple(adapters_over(model, runs)))


class Scribe:
    """Does file work in order on a daemon thread: a folder that hangs holds nobody up.

    What fails is told to ``target``.
    """

    def __init__(self, target: MessagePump) -> None:
        self._target = target
        self._work: SimpleQueue[Callable[[], Message | None]] = SimpleQueue()
        self._thread: Thread | None = None

    def do(self, work: Callable[[], Message | None]) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._loop, name="console-transcripts", daemon=True)
            self._thread.start()
        self._work.put(work)

    def _loop(self) -> None:
        while True:
            work = self._work.get()
            try:
                message = work()
            except Exception as error:
                message = Failure("Transcript", describe(error))
            post(self._target, message)


def shown_path(path: Path) -> str:
    """A path as a message says it."""
    home = Path.home()
    shown = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
    return clean_line(shown, limit=300)
