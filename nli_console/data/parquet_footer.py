"""Columns, row count and label names of a parquet file, from its footer alone.

The footer is a thrift structure in the compact protocol (parquet-format, ``FileMetaData``). Reading it
here keeps pyarrow out of the console, which only wants to know whether the columns are right.
"""

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"PAR1"
FOOTER_LIMIT = 64 * 1024 * 1024
DEPTH_LIMIT = 32

_SCHEMA, _ROWS, _KEY_VALUES = 2, 3, 5
_NAME, _CHILDREN = 4, 5


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer says: top-level columns, rows, and the class names of each ``ClassLabel`` column."""

    columns: tuple[str, ...]
    rows: int
    class_names: dict[str, tuple[str, ...]]


def read_footer(file: BinaryIO) -> Footer:
    """Read the footer of an open parquet file.

    Raises:
        ValueError: it is not a parquet file, or its footer is damaged or encrypted.
    """
    size = file.seek(0, os.SEEK_END)
    if size < 12:
        raise ValueError("too short for a parquet file")
    file.seek(size - 8)
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != MAGIC:
        raise ValueError("the parquet mark at the end is missing")
    if length > min(size - 12, FOOTER_LIMIT):
        raise ValueError(f"the footer is said to have {length:,} bytes")
    file.seek(size - 8 - length)
    try:
        metadata = _Compact(file.read(length)).struct()
        schema = metadata[_SCHEMA]
        columns = tuple(_top_level(schema))
        pairs = {entry[1]: entry.get(2, b"") for entry in metadata.get(_KEY_VALUES, ())}
        return Footer(columns, int(metadata[_ROWS]), _class_names(pairs.get(b"huggingface", b"")))
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"the footer is damaged ({type(error).__name__})") from None


def _top_level(schema: Sequence[dict[int, Any]]) -> list[str]:
    """Names of the root's children in the flattened, depth-first list of schema elements."""
    names, position = [], 1
    for _ in range(schema[0][_CHILDREN]):
        names.append(schema[position][_NAME].decode("utf-8"))
        open_elements = 1
        while open_elements:
            open_elements += schema[position].get(_CHILDREN, 0) - 1
            position += 1
    return names


def _class_names(raw: bytes) -> dict[str, tuple[str, ...]]:
    """From the ``huggingface`` entry that the datasets library writes."""
    try:
        features = json.loads(raw)["info"]["features"]
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


class _Compact:
    """Thrift's compact protocol, as far as parquet footers use it: a struct becomes ``{field id: value}``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > DEPTH_LIMIT:
            raise ValueError("the footer is nested too deep")
        fields: dict[int, Any] = {}
        field = 0
        while (head := self._byte()) != 0:
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 0x0F
            fields[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2, 3):  # in a list a truth value takes a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._take(8)
        if kind == 8:
            return self._take(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 0x0F, depth + 1) for _ in range(size)]
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError(f"the footer holds the unknown type {kind}")

    def _byte(self) -> int:
        self._position += 1
        return self._data[self._position - 1]

    def _take(self, size: int) -> bytes:
        taken = self._data[self._position : self._position + size]
        if len(taken) != size:
            raise IndexError
        self._position += size
        return taken

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
