"""The examples of a split that a run got wrong, by its predictions."""

from collections.abc import Iterator
from pathlib import Path

from nli_console.data.browse import Found
from nli_console.data.files import Progress
from nli_console.data.read import iterate
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from nli_console.text import clean_line


def mistakes(
    spec: DataSpec, split: str, predictions: Path, mapper: RowMapper, progress: Progress | None = None
) -> Iterator[Found]:
    """The examples whose predicted label is another one, or none, in file order.

    Args:
        predictions: ``predictions/<split>.parquet`` of the run; a row for each example that it scored, in
            dataset order. What it did not score, because it was to score some rows only, is passed over.

    Raises:
        ConsoleError: the predictions cannot be read, are of other rows, or as
            :func:`nli_console.data.read.read_split`.
    """
    place = clean_line(predictions)
    rows = _predicted(predictions, place)
    expected = next(rows, None)
    for example in iterate(spec, split, mapper, progress):
        if expected is None:
            return
        if example is None or example.id != expected[0]:
            continue
        predicted = expected[1]
        expected = next(rows, None)
        if predicted != LABELS[example.label]:
            yield Found(
                row=mapper.rows,
                id=example.id,
                premise=example.premise,
                hypothesis=example.hypothesis,
                label=LABELS[example.label],
                genre=example.genre,
                votes=example.annotator_labels,
            )
    if expected is not None:
        raise ConsoleError(f"{place}: is of other rows than {clean_line(spec.name)} has now; score it again")


def _predicted(path: Path, place: str) -> Iterator[tuple[str, str | None]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, columns=["id", "predicted"])
    except (OSError, pyarrow.ArrowException) as error:
        raise ConsoleError(f"{place}: cannot be read ({clean_line(error, limit=200)})") from None
    yield from zip(table["id"].to_pylist(), table["predicted"].to_pylist(), strict=True)
