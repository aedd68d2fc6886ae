"""From the name a user typed to a dataset or a model: built-in, from the settings, a path or a hub id."""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from nli_console.data.files import READ_ERRORS, is_zip, list_files, read_problem, shown_names
from nli_console.data.hub import KNOWN
from nli_console.data.layouts import FORMATS, TRAIN, Layout, detect, format_of, order_splits, split_of
from nli_console.data.spec import DataSpec, Format
from nli_console.errors import ConsoleError
from nli_console.settings import Dataset, LoadedSettings, absolute_path, current_folder
from nli_console.text import clean_line

DEMO_DATA = "demo"
DEMO_MODELS = {"demo-encoder": "encoder", "demo-decoder": "decoder"}
WELL_KNOWN_MODELS = frozenset(
    {
        "roberta-base",
        "roberta-large",
        "roberta-large-mnli",
        "distilroberta-base",
        "bert-base-uncased",
        "bert-base-cased",
        "bert-large-uncased",
        "bert-large-cased",
        "distilbert-base-uncased",
        "albert-base-v2",
        "xlm-roberta-base",
        "xlm-roberta-large",
        "xlnet-base-cased",
        "gpt2",
    }
)
"""Hub ids without an owner."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def resolve_model(name: str, settings: LoadedSettings) -> str:
    """Absolute folder or hub id of a model.

    Looked up in this order: ``demo-encoder`` and ``demo-decoder``, ``[models]`` of the settings (paths
    there start at the settings file), an existing folder, a hub id. The hub is not asked.

    Raises:
        ConsoleError: no such model or folder, or a folder without ``config.json``.
    """
    if not name.strip():
        raise ConsoleError("model is empty; expected a name, a folder or a hub id")
    if name in DEMO_MODELS:
        from nli_console.data.demo import demo_model_path

        return _model_folder(name, demo_model_path("encoder" if name == "demo-encoder" else "decoder"))
    given = settings.values.models.get(name)
    value, base = (name, current_folder()) if given is None else (given, _base(settings))
    path = absolute_path(value, base, "model")
    if _exists(path, f'model "{clean_line(name)}"'):
        return _model_folder(value, path)
    if _means_path(value, base):
        raise ConsoleError(
            f'model "{clean_line(name)}": there is no folder {clean_line(path)}; name an existing one'
        )
    if value in WELL_KNOWN_MODELS or _HUB_ID.fullmatch(value):
        return value
    known = [*DEMO_MODELS, *settings.values.models, *sorted(WELL_KNOWN_MODELS)]
    raise ConsoleError(
        f'model "{clean_line(name, limit=80)}" is not known{_close(name, known)}; '
        f"expected {', '.join(DEMO_MODELS)}, a name from [models] in settings.toml, a folder, "
        "or a hub id such as FacebookAI/roberta-large"
    )


def resolve_dataset(name: str, settings: LoadedSettings, fraction: float = 1.0) -> DataSpec:
    """The dataset that ``name`` stands for, with its files found, and ``fraction`` of its training rows.

    Looked up in this order: ``demo`` (written to the cache folder on first use), ``[datasets.NAME]`` of
    the settings (paths there start at the settings file), an existing folder, zip or file, a hub id.
    Only names of files are read here; :func:`nli_console.data.check.check` looks into them.

    Raises:
        ConsoleError: no such dataset, a layout that is not understood, or a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ConsoleError(
            f"fraction = {fraction}: expected a share of the training rows above 0 and up to 1"
        )
    if not name.strip():
        raise ConsoleError("data is empty; expected a name, a folder, zip or file, or a hub id")
    if name == DEMO_DATA:
        return _local(name, Dataset(path=str(_demo_corpus(settings))), _base(settings), fraction)
    given = settings.values.datasets.get(name)
    dataset, base = (Dataset(path=name), current_folder()) if given is None else (given, _base(settings))
    path = absolute_path(dataset.path, base, "data")
    if dataset.format != "hub" and _exists(path, f'data "{clean_line(name)}"'):
        return _local(name, dataset, base, fraction)
    if dataset.format not in ("auto", "hub") or (
        dataset.format == "auto" and _means_path(dataset.path, base)
    ):
        raise ConsoleError(
            f'data "{clean_line(name)}": there is no file or folder {clean_line(path)}; name an existing one'
        )
    if dataset.path in KNOWN:
        known = KNOWN[dataset.path]
        config, splits = dataset.config or known.config, dataset.splits or known.splits
        return _spec(name, known.source, "hub", dataset, splits, fraction, config)
    if _HUB_ID.fullmatch(dataset.path):
        return _spec(name, dataset.path, "hub", dataset, dataset.splits or {}, fraction, dataset.config)
    if given is not None:
        raise ConsoleError(
            f'data "{clean_line(name)}": its path "{clean_line(dataset.path, limit=80)}" is no hub id; '
            "expected one such as nyu-mll/multi_nli, or an existing folder, zip or file"
        )
    names = [DEMO_DATA, *settings.values.datasets, *KNOWN]
    raise ConsoleError(
        f'data "{clean_line(name, limit=80)}" is not known{_close(name, names)}; '
        f'expected "{DEMO_DATA}", a name from [datasets] in settings.toml, a folder, zip or file, '
        "or a hub id such as nyu-mll/multi_nli"
    )


def _exists(path: Path, what: str) -> bool:
    """Whether there is something at ``path``; a folder on the way that may not be entered is an error."""
    try:
        path.stat()
    except PermissionError:
        raise ConsoleError(f"{what}: {clean_line(path)} may not be read: permission denied") from None
    except OSError:
        return False
    return True


def _base(settings: LoadedSettings) -> Path:
    """The folder that relative paths in the settings start at."""
    return current_folder() if settings.path is None else settings.path.parent


def _means_path(value: str, base: Path) -> bool:
    """Whether a name that does not exist was meant as a path and not as a hub id."""
    first, slash, _ = value.partition("/")
    return (
        value.startswith(("/", "~", "."))
        or value.count("/") > 1
        or value.endswith("/")
        or (bool(slash) and os.path.isdir(base / first))
        or Path(value).suffix.lower() in {*FORMATS, ".zip"}
    )


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:200], list(known), n=2)
    quoted = (f'"{clean_line(word)}"' for word in close)
    return f"; did you mean {' or '.join(quoted)}?" if close else ""


def _model_folder(name: str, path: Path) -> str:
    shown = f'model "{clean_line(name)}"'
    if not os.path.isdir(path):
        kind = "is a file" if os.path.exists(path) else "does not exist"
        raise ConsoleError(f"{shown}: {clean_line(path)} {kind}; name the folder that holds config.json")
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            raise ConsoleError(
                f"{shown}: {clean_line(path)} is an adapter, not a model; name the folder of its base model"
            )
        raise ConsoleError(
            f"{shown}: {clean_line(path)} is not a model: it has no config.json; "
            "name the folder that holds config.json, the weights and the tokenizer"
        )
    return str(path)


def _demo_corpus(settings: LoadedSettings) -> Path:
    from nli_console.data.demo import demo_corpus_path

    try:
        return demo_corpus_path(settings.cache_dir)
    except OSError as error:
        raise ConsoleError(
            f"the demo corpus cannot be written to {clean_line(settings.cache_dir)}: "
            f"{clean_line(error, limit=200)}; name another cache_dir in settings.toml"
        ) from None


def _local(name: str, dataset: Dataset, base: Path, fraction: float) -> DataSpec:
    source = absolute_path(dataset.path, base, "data")
    try:
        layout = _layout(source, dataset)
    except READ_ERRORS as error:
        where = "" if str(source) == name else f" {clean_line(source)}"
        raise ConsoleError(
            f'data "{clean_line(name)}":{where} cannot be read: {read_problem(error)}'
        ) from None
    kind = layout.format if dataset.format == "auto" else dataset.format
    return _spec(name, str(source), kind, dataset, layout.splits, fraction, dataset.config)


def _layout(source: Path, dataset: Dataset) -> Layout:
    place = clean_line(source)
    single = source.is_file() and not is_zip(source)
    if single and source.suffix.lower() == ".zip":
        raise ConsoleError(f"{place} is not a zip file, or it is damaged; download it again")
    named = next(iter(dataset.splits.values()), "") if dataset.splits else source.name if single else ""
    if dataset.splits or single:
        kind = format_of(named) if dataset.format == "auto" else dataset.format
        if kind is None:
            raise ConsoleError(
                f"{place}: the format of {clean_line(named)} is not known by its ending; "
                f'expected {", ".join(FORMATS)} or zip, or format = "…" in settings.toml'
            )
        return Layout(kind, order_splits(dataset.splits or {split_of(source.stem) or TRAIN: source.name}))
    if not source.is_dir() and not is_zip(source):
        raise ConsoleError(f"{place} is neither a folder nor a regular file")
    names = found = list_files(source)
    if dataset.format != "auto":
        ending: Format = "jsonl" if dataset.format == "multinli" else dataset.format
        names = [name for name in found if format_of(name) == ending]
        if not names:
            raise ConsoleError(
                f"{place} holds no file of the format {dataset.format}: {shown_names(found)}; "
                'name another folder, or write format = "auto"'
            )
    return detect(names, dataset.config, place)


def _spec(
    name: str,
    source: str,
    kind: Format,
    dataset: Dataset,
    splits: dict[str, str],
    fraction: float,
    config: str | None,
) -> DataSpec:
    return DataSpec(
        name=name,
        source=source,
        format=kind,
        config=config,
        columns=dataset.columns,
        labels=dict(dataset.labels) if dataset.labels else None,
        splits=splits,
        fraction=fraction,
    )
