"""The folder of a base model: a local one as it is, a hub model fetched with its progress in bytes."""

import fnmatch
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.text import clean_line
from nli_console.worker.stop import StopFlag

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_WANTED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
_UNWANTED = ["*/*", "*.fp16.safetensors", "*.bf16.safetensors", "consolidated*"]
_UNSAFE_WEIGHTS = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "tf_model.h5", "flax_model.msgpack")
_REPORT_EVERY = 0.5

Progress = Callable[[int, int | None], None]
"""Called with bytes done and bytes in all (``None`` while unknown)."""


def model_folder(model: str, progress: Progress, stop: StopFlag) -> Path:
    """The folder that holds the files of ``model`` (hub id or folder), downloaded when it has to be.

    Only configuration, tokenizer and safetensors files are fetched; nothing that needs unpickling.

    Raises:
        ConsoleError: no such folder or hub model, no access, no network, or no safetensors weights.
    """
    name = clean_line(model, limit=200)
    path = Path(model).expanduser()
    if path.is_dir():
        check_folder(path, name)
        return path.resolve()
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ConsoleError(
            f'model "{name}": there is no such folder; name a model folder or a hub id such as roberta-large'
        )
    folder = _fetch(model, name, progress, stop)
    check_folder(folder, name)
    return folder


def check_folder(folder: Path, name: str) -> None:
    """Raise a :class:`ConsoleError` that says why ``folder`` is no model that can be loaded safely."""
    config = folder / "config.json"
    if not config.is_file():
        raise ConsoleError(f'model "{name}": not a model folder, config.json is missing')
    try:
        parsed = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConsoleError(
            f'model "{name}": config.json cannot be read: {clean_line(error, limit=200)}'
        ) from error
    if not isinstance(parsed, dict):
        raise ConsoleError(f'model "{name}": config.json holds no JSON object')
    if not missing_weights(folder):
        return
    files = [entry.name for entry in folder.iterdir()]
    unsafe = [file for file in files if any(fnmatch.fnmatch(file, pattern) for pattern in _UNSAFE_WEIGHTS)]
    if unsafe:
        raise ConsoleError(
            f'model "{name}": its weights are in {clean_line(unsafe[0], limit=80)}, which may run code when '
            "it is read; only safetensors are loaded. Convert it once with transformers' save_pretrained"
        )
    raise ConsoleError(f'model "{name}": no safetensors weights: {missing_weights(folder)[0]} is missing')


def missing_weights(folder: Path) -> list[str]:
    """Names of the safetensors files that ``folder`` should have and has not."""
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return [WEIGHTS_INDEX]
        return sorted(str(shard) for shard in shards if not (folder / Path(str(shard)).name).is_file())
    return [] if (folder / WEIGHTS).is_file() else [WEIGHTS]


def _fetch(model: str, name: str, progress: Progress, stop: StopFlag) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    wanted: dict[str, Any] = {"allow_patterns": _WANTED, "ignore_patterns": _UNWANTED}
    try:
        cached = Path(snapshot_download(model, local_files_only=True, **wanted))
        if (cached / "config.json").is_file() and not missing_weights(cached):
            return cached
    except HFValidationError as error:
        raise ConsoleError(f'model "{name}": neither a folder nor a hub id such as roberta-large') from error
    except (LocalEntryNotFoundError, OSError):
        pass
    try:
        return Path(snapshot_download(model, tqdm_class=_meter(progress, stop), **wanted))
    except GatedRepoError as error:
        raise ConsoleError(
            f'model "{name}": gated: accept its licence on its model page and set HF_TOKEN to your token'
        ) from error
    except RepositoryNotFoundError as error:
        raise ConsoleError(
            f'model "{name}": the hub has no such model, or it is private; check the name, or set HF_TOKEN'
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise ConsoleError(
            f'model "{name}": not in the local cache, and the hub cannot be reached; '
            "download it where there is a network, or name a folder"
        ) from error
    except HfHubHTTPError as error:
        raise ConsoleError(f'model "{name}": the hub answered: {clean_line(error, limit=300)}') from error


def _meter(progress: Progress, stop: StopFlag) -> type:
    """A stand-in for a progress bar that reports bytes and leaves when a stop was asked for."""

    class Meter:
        def __init__(self, iterable: Any = None, *_: Any, **options: Any) -> None:
            self.iterable = iterable
            self.total = options.get("total")
            self.n = options.get("initial") or 0
            # The download keeps two bars in bytes, received and written; the second is the whole of it.
            self._reports = options.get("unit") == "B" and str(options.get("desc", "")).startswith(
                "Reconstructing"
            )
            self._last = 0.0

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self._reports and time.monotonic() - self._last >= _REPORT_EVERY:
                self._last = time.monotonic()
                progress(int(self.n), int(self.total) if self.total else None)
            stop.check()

        def __iter__(self) -> Any:
            return iter(self.iterable or ())

        def __enter__(self) -> "Meter":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    return Meter
