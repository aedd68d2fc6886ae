"""The figures of a dataset: what each split holds, how long its rows are, what leaks from split to split.

Rows are streamed; of a split at most :data:`SAMPLE_ROWS` texts are kept. Torch-free, pure Python, except for
token lengths, which import the ``tokenizers`` library when a tokenizer is named.
"""

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from nli_console.data.artefacts import HypothesisOnly, LabelWords, words_of
from nli_console.data.files import file_size, split_files
from nli_console.data.layouts import TRAIN
from nli_console.data.read import iterate, shown_split, split_location, split_names
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec, Example, agreement
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

SAMPLE_ROWS = 20_000
"""Rows of a split that are tokenised and classified by their hypothesis; of more, a seeded sample."""
LONGEST = 10_000
"""Words or tokens; a longer row counts as this long."""
NAMES_KEPT = 200
"""Distinct genres and vote patterns that are listed; a column with more holds something else."""
_CHECK_ROWS = 4096
_BATCH = 1024

Progress = Callable[[str, int, int, str], None]
"""Called with the phase (``reading``, ``tokenising``), what is done, the total, and the unit."""


class Cancelled(Exception):
    """``cancelled`` said so."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Lengths(_Record):
    """Lengths of premise and hypothesis together: how many rows have which."""

    counts: dict[int, int]
    of: int = Field(description="rows of the split; more than n when a sample was measured")

    @property
    def n(self) -> int:
        """Rows measured."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        return sum(length * count for length, count in self.counts.items()) / max(self.n, 1)

    @property
    def longest(self) -> int:
        return max(self.counts, default=0)

    def quantile(self, share: float) -> int:
        """The smallest length that at least ``share`` of the rows do not exceed."""
        wanted, seen = share * self.n, 0
        for length in sorted(self.counts):
            seen += self.counts[length]
            if seen >= wanted:
                return length
        return 0

    def over(self, limit: int) -> int:
        """Rows longer than ``limit``: those that a ``max_length`` of that many would cut."""
        return sum(count for length, count in self.counts.items() if length > limit)


class Share(_Record):
    """``count`` of ``n``."""

    count: int
    n: int

    @property
    def value(self) -> float:
        return self.count / self.n


class SplitProfile(_Record):
    """One split. Counts are of rows with a gold label; ``dropped`` are those without.

    Attributes:
        problem: why the split, or the rest of it, could not be read; the figures are then empty.
        agreement: ``"4-1"`` → rows with such votes, most first; rows with a single vote are left out.
        hypothesis_words, negated, shared: per label, as :class:`LabelWords` defines them.
        repeated: rows whose premise and hypothesis stood in this split before.
        pairs_in_train, premises_in_train: rows that train holds, too, as a whole or by their premise.
        hypothesis_only: what a classifier trained on the hypotheses of train alone gets right here.
    """

    name: str
    rows: int = 0
    dropped: int = 0
    problem: str | None = None
    labels: dict[str, int] = {}
    genres: dict[str, int] = {}
    other_genres: int = 0
    agreement: dict[str, int] = {}
    words: Lengths = Lengths(counts={}, of=0)
    tokens: Lengths | None = None
    hypothesis_words: dict[str, float] = {}
    negated: dict[str, float] = {}
    shared: dict[str, float] = {}
    repeated: int = 0
    pairs_in_train: int | None = None
    premises_in_train: int | None = None
    hypothesis_only: Share | None = None

    @property
    def majority(self) -> tuple[str, float] | None:
        """The most frequent label and its share; of equals the first in :data:`LABELS`."""
        if not self.rows:
            return None
        label = max(LABELS, key=lambda name: (self.labels.get(name, 0), -LABELS.index(name)))
        return label, self.labels[label] / self.rows


class DataProfile(_Record):
    """A dataset. ``tokenizer_problem`` says why there are no token lengths, where a tokenizer was named."""

    name: str
    source: str
    format: str
    splits: tuple[SplitProfile, ...]
    tokenizer: str | None = None
    tokenizer_problem: str | None = None

    def split(self, name: str) -> SplitProfile | None:
        return next((split for split in self.splits if split.name == name), None)


class _Reading:
    """Adds up the rows of one split."""

    def __init__(self, name: str, classifier: HypothesisOnly | None) -> None:
        self.name = name
        self.classifier = classifier
        self.rows = 0
        self.dropped = 0
        self.labels = [0] * len(LABELS)
        self.genres: Counter[str] = Counter()
        self.votes: Counter[tuple[str, ...]] = Counter()
        self.words: Counter[int] = Counter()
        self.by_label = LabelWords()
        self.pairs = array("q")
        self.premises = array("q")
        self.sample: list[tuple[int, str, str]] = []
        self._random = random.Random(f"profile {name}")

    def add(self, example: Example) -> None:
        label, premise, hypothesis = example.label, example.premise, example.hypothesis
        self.rows += 1
        self.labels[label] += 1
        if example.genre is not None:
            self.genres[example.genre] += 1
        if len(example.annotator_labels) > 1:
            self.votes[example.annotator_labels] += 1
        premise_words, hypothesis_words = words_of(premise), words_of(hypothesis)
        self.words[min(len(premise_words) + len(hypothesis_words), LONGEST)] += 1
        self.by_label.add(label, premise_words, hypothesis_words)
        if self.classifier is not None:
            self.classifier.add(label, hypothesis_words)
        self.pairs.append(hash((premise, hypothesis)))
        self.premises.append(hash(premise))
        self._keep(label, premise, hypothesis)

    def _keep(self, label: int, premise: str, hypothesis: str) -> None:
        """Reservoir sampling (Vitter 1985, algorithm R): every row has the same chance."""
        if len(self.sample) < SAMPLE_ROWS:
            self.sample.append((label, premise, hypothesis))
            return
        place = int(self._random.random() * self.rows)
        if place < SAMPLE_ROWS:
            self.sample[place] = (label, premise, hypothesis)

    def agreement(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for votes, rows in self.votes.items():
            if (name := agreement(votes)) is not None:
                found[name] += rows
        return dict(found.most_common(NAMES_KEPT))


def profile(
    spec: DataSpec,
    *,
    tokenizer: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataProfile:
    """Read every split once and count.

    A split that cannot be read has a ``problem`` and does not hinder the others.

    Args:
        tokenizer: a ``tokenizer.json``; lengths in tokens, special tokens included, are measured with it.
        cancelled: asked every few thousand rows.

    Raises:
        ConsoleError: no split can be read.
        Cancelled: ``cancelled`` returned true.
    """
    names = split_names(spec)
    told = _Told(spec, names, progress)
    readings: dict[str, _Reading] = {}
    failed: dict[str, SplitProfile] = {}
    first: ConsoleError | None = None
    classifier = HypothesisOnly()
    for name in names:
        reading = _Reading(name, classifier if name == TRAIN else None)
        try:
            _read(spec, reading, told.of(name), cancelled)
        except ConsoleError as error:
            first = first or error
            failed[name] = SplitProfile(name=name, dropped=reading.dropped, problem=str(error))
        else:
            readings[name] = reading
    if not readings:
        raise first or ConsoleError(f"{clean_line(spec.name)} has no splits; name a folder with its files")
    tokens: dict[str, Lengths] = {}
    tokenizer_problem = None
    if tokenizer is not None:
        tokens, tokenizer_problem = _token_lengths(tokenizer, readings, progress, cancelled)
    train = readings.get(TRAIN)
    return DataProfile(
        name=spec.name,
        source=spec.source,
        format=spec.format,
        splits=tuple(
            failed[name] if name in failed else _counted(readings[name], train, tokens.get(name))
            for name in names
        ),
        tokenizer=None if tokenizer is None else str(tokenizer),
        tokenizer_problem=tokenizer_problem,
    )


class _Told:
    """One progress over all splits: bytes of files, or rows of a hub dataset one split after the other."""

    def __init__(self, spec: DataSpec, names: Sequence[str], progress: Progress | None) -> None:
        self._progress = progress
        self._before: dict[str, int] = {}
        self._total = 0
        if spec.format == "hub":
            return
        for name in names:
            self._before[name] = self._total
            self._total += _split_bytes(spec, name)

    def of(self, name: str) -> Callable[[int, int, str], None] | None:
        progress = self._progress
        if progress is None:
            return None
        before, total = self._before.get(name, 0), self._total

        def tell(done: int, of: int, unit: str) -> None:
            progress("reading", before + done, total or of, unit)

        return tell


def _split_bytes(spec: DataSpec, name: str) -> int:
    source = Path(spec.source)
    try:
        return sum(file_size(source, file) for file in split_files(source, split_location(spec, name)))
    except (ConsoleError, OSError, KeyError):
        return 0


def _read(
    spec: DataSpec,
    reading: _Reading,
    progress: Callable[[int, int, str], None] | None,
    cancelled: Callable[[], bool],
) -> None:
    mapper = RowMapper(spec, reading.name)
    try:
        for count, example in enumerate(iterate(spec, reading.name, mapper, progress)):
            if count % _CHECK_ROWS == 0 and cancelled():
                raise Cancelled
            if example is not None:
                reading.add(example)
    finally:
        reading.dropped = mapper.dropped
    if not mapper.rows:
        raise ConsoleError(f"{shown_split(spec, reading.name)} has no rows; name another file or folder")
    if not reading.rows:
        raise ConsoleError(f"none of its {mapper.rows:,} rows has a gold label")


def _counted(reading: _Reading, train: _Reading | None, tokens: Lengths | None) -> SplitProfile:
    genres = reading.genres.most_common(NAMES_KEPT)
    beside = train if train is not None and train is not reading else None
    by_label = reading.by_label
    return SplitProfile(
        name=reading.name,
        rows=reading.rows,
        dropped=reading.dropped,
        labels=dict(zip(LABELS, reading.labels, strict=True)),
        genres=dict(genres),
        other_genres=reading.genres.total() - sum(rows for _, rows in genres),
        agreement=reading.agreement(),
        words=Lengths(counts=dict(reading.words), of=reading.rows),
        tokens=tokens,
        hypothesis_words=by_label.hypothesis_words(),
        negated=by_label.negated(),
        shared=by_label.shared(),
        repeated=sum(len(list(same)) - 1 for _, same in groupby(sorted(reading.pairs))),
        pairs_in_train=None if beside is None else _found(reading.pairs, beside.pairs),
        premises_in_train=None if beside is None else _found(reading.premises, beside.premises),
        hypothesis_only=None if beside is None else _hypothesis_only(reading, beside),
    )


def _found(rows: Iterable[int], among: Iterable[int]) -> int:
    """How many of ``rows`` are ``among`` the others; only the values of ``rows`` are held."""
    both = set(rows).intersection(among)
    return sum(value in both for value in rows)


def _hypothesis_only(reading: _Reading, train: _Reading) -> Share | None:
    if train.classifier is None:
        return None
    rows = [(label, hypothesis) for label, _, hypothesis in reading.sample]
    return Share(count=train.classifier.correct(rows), n=len(rows))


def _token_lengths(
    tokenizer: Path,
    readings: Mapping[str, _Reading],
    progress: Progress | None,
    cancelled: Callable[[], bool],
) -> tuple[dict[str, Lengths], str | None]:
    """Token lengths of the sampled rows of every split, or why there are none."""
    try:
        from tokenizers import Tokenizer

        encoder = Tokenizer.from_file(str(tokenizer))
        encoder.no_truncation()
        encoder.no_padding()
        # A text may hold "</s>": it is text here, as it is in training.
        encoder.encode_special_tokens = True
    except Exception as error:
        return {}, f"{clean_line(tokenizer)} cannot be used: {clean_line(error, limit=160)}"
    total = sum(len(reading.sample) for reading in readings.values())
    done = 0
    lengths: dict[str, Lengths] = {}
    for name, reading in readings.items():
        counts: Counter[int] = Counter()
        for start in range(0, len(reading.sample), _BATCH):
            if cancelled():
                raise Cancelled
            batch = [(_encodable(p), _encodable(h)) for _, p, h in reading.sample[start : start + _BATCH]]
            counts.update(min(len(row.ids), LONGEST) for row in encoder.encode_batch_fast(batch))
            done += len(batch)
            if progress is not None:
                progress("tokenising", done, total, "rows")
        lengths[name] = Lengths(counts=dict(counts), of=reading.rows)
    return lengths, None


def _encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer takes, become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
