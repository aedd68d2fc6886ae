"""The one schema inside, and what names a dataset. No reading happens here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nli_console.settings import Columns

LABELS = ("entailment", "neutral", "contradiction")
"""Label names in our own order: a label is an index into this tuple everywhere inside."""

Format = Literal["multinli", "hub", "jsonl", "csv", "tsv", "parquet"]


@dataclass(frozen=True, slots=True)
class Example:
    """One pair. ``label`` indexes :data:`LABELS`; the texts are raw, never cleaned: models read them."""

    id: str
    premise: str
    hypothesis: str
    label: int
    genre: str | None = None
    annotator_labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of one split in file order, and how many rows were dropped for want of a gold label."""

    name: str
    examples: list[Example]
    dropped: int


def agreement(votes: Sequence[str]) -> str | None:
    """How annotators voted, most votes first, such as ``4-1``; ``None`` where fewer than two did."""
    if len(votes) < 2:
        return None
    counts = sorted(Counter(votes).values(), reverse=True)
    return "-".join(map(str, counts if len(counts) > 1 else [*counts, 0]))


class DataSpec(BaseModel):
    """A dataset as a run records it: resolved, absolute, enough to read it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="as the user named it")
    source: str = Field(description="absolute path of a folder, zip or file, or a hub id")
    format: Format
    config: str | None = None
    columns: Columns | None = None
    labels: dict[str, str] | None = None
    splits: dict[str, str] = Field(
        default_factory=dict, description="our split name → file inside source, or hub split name"
    )
    fraction: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the training rows; of the reported rows in an evaluate-only run",
    )
    selection_rows: int = Field(
        default=2000, ge=0, description="training rows held out for model selection (at most a tenth of them)"
    )
    evaluate_on: tuple[str, ...] = Field(
        default=(),
        description="splits reported on; empty means every one that is not train or an unlabelled test",
    )
    evaluation_rows: int = Field(
        default=0,
        ge=0,
        description="rows of each reported split, chosen by the seed; 0 means all. Only where nothing trains",
    )
