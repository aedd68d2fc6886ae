"""Which examples a person wants to see."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from nli_console.data.files import Progress
from nli_console.data.read import iterate
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec, Example


class Filters(BaseModel):
    """All of these must hold; an empty one always does."""

    model_config = ConfigDict(frozen=True)

    contains: str = ""
    """Text in the premise, the hypothesis or the id, whatever its case."""
    genre: str = ""
    label: str = ""
    """A name out of :data:`nli_console.data.spec.LABELS`."""

    def __bool__(self) -> bool:
        return bool(self.contains or self.genre or self.label)


class Found(BaseModel):
    """An example and its row, counted from 1. The texts are raw: clean them before they are shown."""

    model_config = ConfigDict(frozen=True)

    row: int
    id: str
    premise: str
    hypothesis: str
    label: str
    genre: str | None = None
    votes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def matching(
    spec: DataSpec, split: str, filters: Filters, mapper: RowMapper, progress: Progress | None = None
) -> Iterator[Found]:
    """The examples of a split that pass, in file order; ``mapper`` counts the rows read so far.

    Raises:
        ConsoleError: as :func:`nli_console.data.read.read_split`.
    """
    wanted = LABELS.index(filters.label) if filters.label else None
    text = filters.contains.casefold()
    for example in iterate(spec, split, mapper, progress):
        if example is None or (wanted is not None and example.label != wanted):
            continue
        if filters.genre and example.genre != filters.genre:
            continue
        if text and not _holds(example, text):
            continue
        yield Found(
            row=mapper.rows,
            id=example.id,
            premise=example.premise,
            hypothesis=example.hypothesis,
            label=LABELS[example.label],
            genre=example.genre,
            votes=example.annotator_labels,
        )


def genres_of(spec: DataSpec, split: str, mapper: RowMapper, progress: Progress | None = None) -> list[str]:
    """The genres of a split's labelled rows by name, raw; none where the data has no genres.

    Raises:
        ConsoleError: as :func:`nli_console.data.read.read_split`.
    """
    examples = iterate(spec, split, mapper, progress)
    return sorted(
        {example.genre for example in examples if example is not None and example.genre is not None}
    )


def _holds(example: Example, text: str) -> bool:
    return (
        text in example.hypothesis.casefold()
        or text in example.premise.casefold()
        or text in example.id.casefold()
    )
