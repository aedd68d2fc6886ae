"""Which file of a folder or zip holds which split: the layouts of MultiNLI and its relatives."""

import glob
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from nli_console.data.files import shown_names
from nli_console.data.spec import Format
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

FORMATS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
}
"""Format by ending, the preferred ending first where a folder holds the same splits twice."""

UNDERSTOOD = (
    "the original multinli_1.0 or snli_1.0 (jsonl), ANLI (R1/train.jsonl …), GLUE MNLI (train.tsv …), "
    "the hub's parquet files, or files called train, validation (or dev) and test "
    "with the ending jsonl, csv, tsv or parquet"
)
TRAIN = "train"

_SHARD = re.compile(r"-\d{5}-of-(\d{5})(-[0-9a-f]+)?$")
_SPLIT = re.compile(
    r"(?:^|[_.\- ])(?P<split>train(?:ing)?|dev(?:elopment)?|val(?:id(?:ation)?)?|eval(?:uation)?|test)"
    r"(?:[_.\-](?P<part>mm|mismatched|m|matched|r\d))?(?=$|[_.\- ])",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(r"(multinli|snli)_\d\.\d_", re.IGNORECASE)
_ANLI = re.compile(r"R(\d)", re.IGNORECASE)
_ROUND = re.compile(r"(?<=train_r)\d(?![a-z0-9])", re.IGNORECASE)
_USUAL_CONFIGS = ("mnli", "default", "data", "plain_text")


@dataclass(frozen=True, slots=True)
class Layout:
    """Format, and our split name → file or pattern of shards."""

    format: Format
    splits: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of one folder with one ending: alternatives among which one is chosen."""

    folder: str
    ending: str
    splits: dict[str, str]


def split_of(name: str) -> str | None:
    """Our name of the split that a file or hub split name stands for, or ``None`` when it names none.

    ``multinli_1.0_dev_matched`` → ``validation_matched``, ``val`` → ``validation``, ``train_r1`` → ``train``.
    """
    match = _SPLIT.search(name)
    if match is None:
        return None
    word, part = match["split"].lower(), (match["part"] or "").lower()
    if word.startswith("train"):
        return TRAIN
    base = "test" if word == "test" else "validation"
    part = {"m": "matched", "mm": "mismatched"}.get(part, part)
    return f"{base}_{part}" if part else base


def order_splits(splits: Mapping[str, str]) -> dict[str, str]:
    """Train first, then validation (matched before mismatched), then test."""

    def rank(name: str) -> tuple[int, str]:
        return next(
            (i for i, word in enumerate((TRAIN, "validation", "test")) if name.startswith(word)), 3
        ), name

    return {name: splits[name] for name in sorted(splits, key=rank)}


def format_of(name: str) -> Format | None:
    return FORMATS.get(PurePosixPath(name).suffix.lower())


def detect(names: list[str], config: str | None, place: str) -> Layout:
    """Recognise the layout of a folder or zip by the names of its files.

    Args:
        names: relative, with ``/``.
        config: the folder to read when several hold a whole dataset, such as ``mnli`` of a copy of GLUE.
        place: how messages name the folder or zip.

    Raises:
        ConsoleError: no layout is recognised, or several are.
    """
    anli = _anli(names)
    groups = [anli] if anli else _groups(names, place)
    if config is not None:
        chosen = [group for group in groups if PurePosixPath(group.folder).name == config]
        if not chosen:
            folders = sorted({PurePosixPath(group.folder).name for group in groups})
            raise ConsoleError(
                f'{place} has no configuration "{clean_line(config)}"; it has {shown_names(folders)}'
            )
        groups = chosen
    if not groups:
        raise ConsoleError(
            f"{place} holds no dataset that is understood: {shown_names(names)}. Expected {UNDERSTOOD}"
        )
    best = sorted(groups, key=_rank)
    if len(best) > 1 and _rank(best[0]) == _rank(best[1]):
        raise ConsoleError(
            f"{place} holds several datasets: "
            f"{shown_names(list(dict.fromkeys(group.folder or '.' for group in best)))}; "
            'name the folder of one, or write config = "…" in settings.toml'
        )
    group = best[0]
    original = any(_ORIGINAL.search(file) for file in group.splits.values()) and group.ending == ".jsonl"
    return Layout("multinli" if original else FORMATS[group.ending], order_splits(group.splits))


def _rank(group: _Group) -> tuple[int, int, int, int]:
    name = PurePosixPath(group.folder).name.casefold()
    return (
        0 if TRAIN in group.splits else 1,
        _USUAL_CONFIGS.index(name) if name in _USUAL_CONFIGS else len(_USUAL_CONFIGS),
        len(PurePosixPath(group.folder).parts),
        list(FORMATS).index(group.ending),
    )


def _anli(names: list[str]) -> _Group | None:
    """``R1/train.jsonl`` …: the three rounds train together and are reported on one by one."""
    splits: dict[str, str] = {}
    folder = ""
    for name in names:
        path = PurePosixPath(name)
        round_ = _ANLI.fullmatch(path.parent.name)
        split = split_of(path.stem)
        if (
            round_ is None
            or path.suffix != ".jsonl"
            or split is None
            or path.stem not in ("train", "dev", "test")
        ):
            continue
        folder = path.parent.parent.as_posix().removeprefix(".")
        if split == TRAIN:
            splits[TRAIN] = (PurePosixPath(glob.escape(folder)) / "R[0-9]" / "train.jsonl").as_posix()
        else:
            splits[f"{split}_r{round_[1]}"] = name
    return _Group(folder, ".jsonl", splits) if splits else None


def _groups(names: list[str], place: str) -> list[_Group]:
    files: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        path = PurePosixPath(name)
        folder, stem = path.parent, path.stem
        if stem.isdigit() and path.suffix == ".parquet":
            # The hub's converted layout: CONFIG/SPLIT/0000.parquet.
            folder, stem = folder.parent, folder.name
        split = split_of(_SHARD.sub("", stem))
        if split is not None and path.suffix.lower() in FORMATS:
            key = (folder.as_posix().removeprefix("."), path.suffix.lower())
            files[key][split].append(name)
    return [
        _Group(folder, ending, {split: _one(split, found, place) for split, found in splits.items()})
        for (folder, ending), splits in files.items()
    ]


def _one(split: str, files: list[str], place: str) -> str:
    """The file of a split, or the pattern of its shards."""
    if len(files) == 1:
        return files[0]
    patterns = {_pattern(PurePosixPath(file)) for file in files}
    if len(patterns) == 1:
        return patterns.pop()
    exact = [
        file
        for file in files
        if PurePosixPath(file).stem in (split, "dev" if split == "validation" else split)
    ]
    if len(exact) == 1:
        return exact[0]
    raise ConsoleError(
        f"{place}: several files look like the split {split}: {shown_names(files)}; "
        f'name one in settings.toml under [datasets.NAME.splits] {split} = "…"'
    )


def _pattern(path: PurePosixPath) -> str:
    """What the shards of a split have in common; the rounds of ANLI train together."""
    folder, stem = glob.escape(path.parent.as_posix()), path.stem
    if stem.isdigit():
        return f"{_ROUND.sub('[0-9]', folder)}/*.parquet"
    name = _SHARD.sub(r"-*-of-\1*", _ROUND.sub("[0-9]", glob.escape(stem)))
    return (PurePosixPath(folder) / (name + path.suffix)).as_posix()
