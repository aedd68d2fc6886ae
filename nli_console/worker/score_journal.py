"""Rows that are scored already: appended batch by batch, so that a resumed run skips them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nli_console.data.spec import LABELS
from nli_console.record.journal import Journal, Tail


class ScoreJournal:
    """One split's scores on the disk.

    Args:
        key: of the prompts and of how they are scored; what was written under another key is not used.

    Attributes:
        found: row number → three log-likelihoods, or the text that was generated.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._key = key
        self.found: dict[int, Any] = {}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        tail = Tail(path)
        while True:
            batch = tail.read()
            for record in batch.records:
                self._take(record)
            if not batch.more:
                break
        self._journal = Journal(path)

    def append(self, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Keep a batch.

        Raises:
            OSError: the disk is full.
        """
        self._journal.append({"v": 1, "key": self._key, "rows": list(rows), "values": list(values)})
        self.found.update(zip(rows, values, strict=True))

    def close(self) -> None:
        self._journal.close()

    def _take(self, record: dict[str, Any]) -> None:
        rows, values = record.get("rows"), record.get("values")
        if record.get("key") != self._key or not isinstance(rows, list) or not isinstance(values, list):
            return
        for row, value in zip(rows, values, strict=False):
            if type(row) is int and _whole(value):
                self.found[row] = value


def last_scores(path: Path) -> dict[int, list[float]]:
    """Row number → three log-likelihoods, as the newest line's key has them; of texts nothing."""
    records: list[dict[str, Any]] = []
    tail = Tail(path)
    while True:
        batch = tail.read()
        records += batch.records
        if not batch.more:
            break
    key = records[-1].get("key") if records else None
    found: dict[int, list[float]] = {}
    for record in records:
        rows, values = record.get("rows"), record.get("values")
        if record.get("key") == key and isinstance(rows, list) and isinstance(values, list):
            found.update(
                (row, value)
                for row, value in zip(rows, values, strict=False)
                if type(row) is int and isinstance(value, list) and _whole(value)
            )
    return found


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and len(value) == len(LABELS) and all(isinstance(x, float) for x in value)
