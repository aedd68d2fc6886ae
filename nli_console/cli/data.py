"""``nli-console data``: what a dataset holds, and its examples."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.data.browse import Filters, Found
from nli_console.data.helper import examples, found_of, read_profile
from nli_console.data.profile import DataProfile, Lengths, Share, SplitProfile
from nli_console.data.read import split_names
from nli_console.data.resolve import DEMO_DATA, resolve_dataset, resolve_model
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import shapes
from nli_console.methods.defaults import default_method
from nli_console.statistics import wilson
from nli_console.text import UNKNOWN, clean_line, format_accuracy, format_count

ROWS_OF_A_FILTER = 10

data_app = App(name="data", help="Show what a dataset holds: counts, lengths, agreement, examples.")


@data_app.command(name="list")
def list_datasets(*, json: Json = False, context: Ctx) -> None:
    """List the datasets that have a name: the demo and those of the settings."""
    rows = [_named(name, context) for name in (DEMO_DATA, *context.settings.values.datasets)]
    if json:
        say_json(rows)
        return
    cells = [
        (row["name"], row["source"], row["format"] or UNKNOWN, row["problem"] or ", ".join(row["splits"]))
        for row in rows
    ]
    say(table(("NAME", "SOURCE", "FORMAT", "SPLITS"), cells))
    say("\nA folder, zip, file or hub id can be named, too: nli-console data show PATH")


def _named(name: str, context: Context) -> dict[str, Any]:
    try:
        spec = resolve_dataset(name, context.settings)
    except ConsoleError as error:
        given = context.settings.values.datasets.get(name)
        source = given.path if given is not None else name
        return {"name": name, "source": source, "format": None, "splits": [], "problem": str(error)}
    splits = list(spec.splits)
    return {"name": name, "source": spec.source, "format": spec.format, "splits": splits, "problem": None}


@data_app.command
def show(
    data: Annotated[
        str | None,
        Parameter(help="a name out of `data list`, a folder, zip, file or hub id; default: the settings'"),
    ] = None,
    *,
    split: Annotated[
        str | None, Parameter(help="only this split; default: all, examples of the first")
    ] = None,
    model: Annotated[
        str | None, Parameter(help="whose tokenizer measures lengths; default: the settings' model")
    ] = None,
    max_length: Annotated[
        int | None, Parameter(help="tokens after which a pair is cut; default: that of the settings' method")
    ] = None,
    rows: Annotated[
        int | None,
        Parameter(help=f"show so many examples instead of the figures; {ROWS_OF_A_FILTER} with a filter"),
    ] = None,
    genre: Annotated[str, Parameter(help="only examples of this genre")] = "",
    label: Annotated[str, Parameter(help=f"only examples of this label: {', '.join(LABELS)}")] = "",
    contains: Annotated[
        str, Parameter(help="only examples with this text in premise, hypothesis or id")
    ] = "",
    json: Json = False,
    context: Ctx,
) -> None:
    """Show the figures of a dataset, or some of its examples."""
    settings = context.settings
    if max_length is not None and max_length < 1:
        raise ConsoleError(f"--max-length {max_length}: must be at least 1")
    if rows is not None and rows < 1:
        raise ConsoleError(f"--rows {rows}: must be at least 1")
    if label and label not in LABELS:
        raise ConsoleError(f"--label {label}: expected one of {', '.join(LABELS)}")
    spec = resolve_dataset(data or settings.values.defaults.data, settings)
    filters = Filters(contains=contains, genre=genre, label=label)
    if rows is not None or filters:
        _show_examples(spec, split, filters, rows or ROWS_OF_A_FILTER, json)
        return
    if split is not None and spec.format != "hub" and split not in spec.splits:
        raise _no_split(spec, split)
    tokenizer = _tokenizer(model, context)
    profile = read_profile(spec, settings.cache_dir, tokenizer)
    if split is not None and profile.split(split) is None:
        raise _no_split(spec, split)
    limit = max_length or default_method(settings).max_length
    shown = [found for found in profile.splits if split in (None, found.name)]
    if json:
        say_json(_profile_json(profile, shown, limit))
    else:
        _say_profile(profile, shown, limit)


def _no_split(spec: DataSpec, split: str) -> ConsoleError:
    names = ", ".join(spec.splits) if spec.splits else "no such split"
    return ConsoleError(f"--split {split}: {spec.name} has {names}")


def _tokenizer(model: str | None, context: Context) -> Path | None:
    """The tokenizer of the model asked for, or of the settings' model if that one is at hand."""
    name = model or context.settings.values.defaults.model
    try:
        found = shapes.find_tokenizer(resolve_model(name, context.settings))
    except ConsoleError:
        if model is not None:
            raise
        return None
    if found is None and model is not None:
        note(f"{model} has no tokenizer.json on this machine yet: lengths are told in words alone")
    return found


# Figures


def _say_profile(profile: DataProfile, splits: list[SplitProfile], limit: int) -> None:
    say(pairs([("data", profile.name), ("source", profile.source), ("format", profile.format)]))
    read = [split for split in splits if not split.problem]
    say()
    header = ("SPLIT", "ROWS", "DROPPED", *(label.upper() for label in LABELS), "MAJORITY", "REPEATED")
    cells = [
        (
            split.name,
            format_count(split.rows),
            format_count(split.dropped),
            *(format_count(split.labels.get(label, 0)) for label in LABELS),
            f"{100 * split.majority[1]:.1f} %" if split.majority else UNKNOWN,
            format_count(split.repeated),
        )
        for split in read
    ]
    if cells:
        say(table(header, cells, right=range(1, 8)))
    for split in splits:
        if split.problem:
            say(f"\n{split.name} cannot be shown: {split.problem}")
    _say_counts("GENRE", "genres", read)
    _say_counts("ANNOTATORS", "agreement", read)
    say()
    rows = list(_length_rows(read, limit))
    header = ("LENGTH", "MEAN", "HALF UP TO", "95 % UP TO", "LONGEST", f"OVER {limit}", "MEASURED")
    if rows:
        say(table(header, rows, right=range(1, 7)))
    if profile.tokenizer_problem:
        say(f"no lengths in tokens: {profile.tokenizer_problem}")
    leaks = [split for split in read if split.hypothesis_only]
    if leaks:
        say()
        header = ("BESIDE TRAIN", "PAIRS IN TRAIN", "PREMISES IN TRAIN", "RIGHT BY HYPOTHESIS ALONE")
        say(table(header, map(_leak_row, leaks), right=range(1, 4)))
    if read:
        say()
        header = ("HYPOTHESES", "LABEL", "WORDS", "NEGATED", "WORDS OF THE PREMISE")
        say(table(header, _hypothesis_rows(read), right=range(2, 5)))


def _say_counts(title: str, field: str, splits: list[SplitProfile]) -> None:
    """A column per split of what ``field`` counts."""
    counts: list[tuple[str, Mapping[str, int]]] = [(split.name, getattr(split, field)) for split in splits]
    counts = [(name, values) for name, values in counts if values]
    names = list(dict.fromkeys(name for _, values in counts for name in values))
    if names:
        say()
        rows = [(name, *(format_count(values.get(name)) for _, values in counts)) for name in names]
        say(table((title, *(name for name, _ in counts)), rows, right=range(1, len(counts) + 1)))


def _length_rows(splits: list[SplitProfile], limit: int) -> Iterator[tuple[str, ...]]:
    for split in splits:
        for unit, lengths in (("words", split.words), ("tokens", split.tokens)):
            if lengths is not None and lengths.n:
                over = "" if unit == "words" else f"{100 * lengths.over(limit) / lengths.n:.2f} %"
                yield (
                    f"{split.name} {unit}",
                    f"{lengths.mean:.1f}",
                    str(lengths.quantile(0.5)),
                    str(lengths.quantile(0.95)),
                    str(lengths.longest),
                    over,
                    _measured(lengths),
                )


def _measured(lengths: Lengths) -> str:
    return "all" if lengths.n == lengths.of else f"{lengths.n:,} of {lengths.of:,}"


def _leak_row(split: SplitProfile) -> tuple[str, ...]:
    return (
        split.name,
        format_count(split.pairs_in_train),
        format_count(split.premises_in_train),
        UNKNOWN if split.hypothesis_only is None else share_text(split.hypothesis_only),
    )


def share_text(share: Share) -> str:
    """``53.1 ± 1.0 % (n = 9,815)``."""
    return f"{format_accuracy(share.value, *wilson(share.count, share.n))} (n = {share.n:,})"


def _hypothesis_rows(splits: list[SplitProfile]) -> Iterator[tuple[str, ...]]:
    for split in splits:
        for label, words in split.hypothesis_words.items():
            yield (
                split.name,
                label,
                f"{words:.1f}",
                f"{100 * split.negated[label]:.1f} %",
                f"{100 * split.shared[label]:.1f} %",
            )


def _profile_json(profile: DataProfile, splits: list[SplitProfile], limit: int) -> dict[str, Any]:
    return {
        **profile.model_dump(mode="json", exclude={"splits"}),
        "max_length": limit,
        "splits": {split.name: _split_json(split, limit) for split in splits},
    }


def _split_json(split: SplitProfile, limit: int) -> dict[str, Any]:
    majority = split.majority
    tokens = split.tokens
    truncated = None if tokens is None or not tokens.n else {"count": tokens.over(limit), "n": tokens.n}
    return {
        **split.model_dump(mode="json", exclude={"name"}),
        "majority": None if majority is None else {"label": majority[0], "share": majority[1]},
        "truncated": truncated,
    }


# Examples


def _show_examples(spec: DataSpec, split: str | None, filters: Filters, rows: int, json: bool) -> None:
    split = split or next(iter(split_names(spec)), "")
    found: list[Found] = []
    read = 0
    with examples(spec, split, filters) as helper:
        for answer in helper.answers():
            if answer["kind"] == "example":
                found.append(found_of(answer))
                if not json:
                    _say_example(found[-1])
                if len(found) == rows:
                    break
            elif answer["kind"] == "end":
                read = answer["rows"]
    if json:
        say_json({"name": spec.name, "split": split, "examples": [example.to_json() for example in found]})
    elif not found:
        say(f"none of the {read:,} rows of {split} fits; `nli-console data show` lists genres and labels")


def _say_example(example: Found) -> None:
    about = [example.label, example.genre, f"row {example.row:,}", example.id]
    say(" · ".join(clean_line(part) for part in about if part))
    say(f"  premise     {clean_line(example.premise)}")
    say(f"  hypothesis  {clean_line(example.hypothesis)}")
    if len(example.votes) > 1:
        say(f"  annotators  {', '.join(clean_line(vote) for vote in example.votes)}")
    say()
