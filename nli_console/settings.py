"""settings.toml: its schema, where it is found, and what its paths are relative to.

The user's file is read, never rewritten (a TOML writer would drop its comments).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nli_console.opening import LoadedSettings, Root
from nli_console.places import (
    DEFAULT_CACHE,
    FILE_NAME,
    absolute_path,
    current_folder,
    find_settings,
    is_not_utf8,
    state_folder,
    user_folder,
)
from nli_console.settings_file import read_settings_file
from nli_console.text import clean_line

__all__ = [
    "DEFAULT_CACHE", "FILE_NAME", "LoadedSettings", "Root", "Settings", "absolute_path", "current_folder",
    "is_not_utf8", "load_settings", "state_folder", "user_folder",
]  # fmt: skip


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


TrackerName = Literal["tensorboard", "trackio", "wandb", "mlflow"]


class Defaults(_Table):
    """What the Launch form and a bare ``run`` start from."""

    method: str = "lora"
    model: str = Field(default="demo-encoder", description="a name from [models], a hub id or a folder")
    data: str = Field(
        default="demo", description="a name from [datasets], a hub id, a folder, a zip or a file"
    )
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the training rows to use")
    seed: int = Field(default=1, ge=0, lt=2**32)
    report_to: list[TrackerName] = Field(
        default_factory=list, description="experiment trackers that runs also report to, where installed"
    )


class Columns(_Table):
    """Which column of a file holds what; ``None`` where the file has no such column."""

    premise: str = "premise"
    hypothesis: str = "hypothesis"
    label: str = "label"
    id: str | None = None
    genre: str | None = None
    annotator_labels: str | None = None


class Dataset(_Table):
    """A dataset with a short name: ``[datasets.NAME]``."""

    path: str = Field(description="a folder, a zip, a file or a hub id")
    format: Literal["auto", "multinli", "hub", "jsonl", "csv", "tsv", "parquet"] = "auto"
    config: str | None = Field(
        default=None, description="configuration of a hub dataset, such as mnli of glue"
    )
    columns: Columns | None = None
    labels: dict[str, Literal["entailment", "neutral", "contradiction"]] | None = Field(
        default=None, description="value in the file → label name, where the file does not use the names"
    )
    splits: dict[str, str] | None = Field(default=None, description="our split name → file or hub split name")


class Queue(_Table):
    cpu_slots: int = Field(default=1, ge=1, le=64, description="runs that may use the CPU at the same time")
    wait_for_foreign: bool = Field(default=True, description="wait for a GPU that another program holds")


class Checkpoints(_Table):
    keep: int = Field(default=2, ge=1, le=100, description="newest checkpoints kept while a run is going")
    keep_after_finish: Literal["none", "best", "all"] = "best"
    drop_optimizer: bool = Field(default=True, description="delete optimiser state when a run has finished")


GuardId = Literal[
    "loss_at_chance", "one_class", "constant_logits", "grad_norm", "nan_steps", "invalid_answers"
]
"""What is watched while a run goes on (`docs/guards.md`)."""


class Guards(_Table):
    stop_on: list[GuardId] = Field(
        default_factory=list, description="guards that stop a run, with a checkpoint, when they are raised"
    )


class Telemetry(_Table):
    interval: float = Field(
        default=2.0, ge=0.5, le=60, description="seconds between two samples of GPU and host"
    )


class Cache(_Table):
    tokenised_limit_gib: float = Field(
        default=10.0, gt=0, description="size limit of the cache of tokenised data"
    )


class Interface(_Table):
    theme: Literal["dark", "light"] = "dark"
    symbols: Literal["auto", "braille", "block", "ascii"] = "auto"
    refresh: float = Field(
        default=1.0, ge=0.1, le=10, description="seconds between two repaints of live values"
    )
    smoothing: float = Field(default=0.9, ge=0, lt=1, description="weight of the exponential moving average")
    bell: bool = True
    on_finish: Annotated[list[str], Field(max_length=64)] = Field(
        default_factory=list,
        description="command and arguments, started when a run ends; {id} {name} {state}",
    )


class Chat(_Table):
    """The model that is talked to."""

    model: str = Field(
        default="demo-decoder", description="a language model: a name from [models], a hub id or a folder"
    )
    quantisation: Literal["none", "8-bit", "nf4"] = Field(
        default="none", description="how its weights are stored; 8-bit and nf4 take less memory"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="arithmetic; auto is bf16 where the hardware has it"
    )
    idle_minutes: float = Field(
        default=15.0, ge=0, le=1440, description="unloaded after so long without a question; 0: never"
    )


class Runs(_Table):
    """Further folders with runs, beside ``runs_dir``."""

    roots: dict[str, str] = Field(
        default_factory=dict, description="short name → a folder with runs: a colleague's, a mounted server's"
    )


class Launch(_Table):
    """How runs are started on this machine."""

    survive_logout: Literal["auto", "session", "systemd"] = "auto"
    warm_worker: bool = Field(
        default=True, description="keep a process with the libraries loaded while the form is edited"
    )
    environment: dict[str, str] = Field(default_factory=dict, description="extra variables of the worker")


class Settings(_Table):
    """Everything in settings.toml. Every key has a default, so an empty file is valid."""

    runs_dir: Path = Field(
        default=Path("runs"), strict=False, description="relative to the settings file that names it"
    )
    cache_dir: Path = Field(
        default=DEFAULT_CACHE,
        strict=False,
        description="tokenised data, the demo corpus, module shapes; the default follows $XDG_CACHE_HOME",
    )
    runs: Runs = Runs()
    defaults: Defaults = Defaults()
    models: dict[str, str] = Field(default_factory=dict, description="short name → hub id or folder")
    datasets: dict[str, Dataset] = Field(default_factory=dict)
    queue: Queue = Queue()
    checkpoints: Checkpoints = Checkpoints()
    guards: Guards = Guards()
    telemetry: Telemetry = Telemetry()
    cache: Cache = Cache()
    interface: Interface = Interface()
    chat: Chat = Chat()
    launch: Launch = Launch()


def load_settings(
    explicit: Path | None = None,
    runs_dir: Path | None = None,
    cwd: Path | None = None,
    *,
    more_roots: Sequence[Path] = (),
) -> LoadedSettings:
    """Find, read and check the settings, and make their paths absolute.

    The first of these is read: ``explicit`` (``--settings``; it must exist), ``./settings.toml``,
    ``settings.toml`` in :func:`user_folder`. Without any, the defaults hold and ``notice`` says so.
    Relative paths start at the folder of the file that was read; with the defaults, at ``cwd``.
    ``runs_dir`` (``--runs-dir``, relative to ``cwd``) wins over the file, whose further roots then do not
    hold either: ``more_roots`` (``--runs-dir`` once more) stand in their place.

    Raises:
        ConsoleError: the file is missing, unreadable, not TOML, or has a key or value that the schema
            does not know; the message names the file, line, key, value and what was expected.
    """
    here = current_folder() if cwd is None else cwd
    path = find_settings(explicit, here)
    values = Settings() if path is None else read_settings_file(path, Settings)
    base, prefix = (here, "") if path is None else (path.parent, f"{clean_line(path)}: ")
    runs = (
        absolute_path(values.runs_dir, base, f"{prefix}runs_dir")
        if runs_dir is None
        else absolute_path(runs_dir, here, "--runs-dir")
    )
    wanted = values.cache_dir
    if wanted == DEFAULT_CACHE and os.environ.get("XDG_CACHE_HOME"):
        wanted = Path(os.environ["XDG_CACHE_HOME"]) / DEFAULT_CACHE.name
    cache = absolute_path(wanted, base, f"{prefix}cache_dir")
    if runs_dir is None:
        named = values.runs.roots
        roots = {
            label: absolute_path(held, base, f"{prefix}runs.roots.{label}") for label, held in named.items()
        }
    else:
        roots = _labelled([absolute_path(more, here, "--runs-dir") for more in more_roots])
    held = Runs(roots={label: str(path) for label, path in roots.items()})
    values = values.model_copy(update={"runs_dir": runs, "cache_dir": cache, "runs": held})
    notice = None
    if path is None:
        notice = f"no {FILE_NAME} in {here} or {user_folder()}: the built-in defaults are used"
    return LoadedSettings(values, path, notice)


def _labelled(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by the shortest end of their path that tells them apart: ``bob/runs``."""
    labels: dict[str, Path] = {}
    for folder in dict.fromkeys(folders):
        parts = folder.parts[1:] or ("/",)
        count = 2 if parts[-1] == "runs" else 1
        while (label := clean_line("/".join(parts[-count:]), limit=60)) in labels and count < len(parts):
            count += 1
        labels[label] = folder
    return labels
