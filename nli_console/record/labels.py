"""``labels.json``: what a person calls a run and notes about it. Data, never a path."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.access import require_access
from nli_console.record.files import read_json_or_none, write_json
from nli_console.record.layout import LABELS, RunLayout
from nli_console.text import clean, clean_line

NAME_LIMIT = 120
NOTES_LIMIT = 20_000
TAG_LIMIT = 40
TAGS_LIMIT = 32


@dataclass(frozen=True, slots=True)
class Labels:
    """All text is clean. ``name`` is ``None`` where the spec's name holds."""

    name: str | None = None
    notes: str = ""
    tags: tuple[str, ...] = ()
    pinned: bool = False


def read_labels(layout: RunLayout) -> Labels:
    """The labels of a run; a missing or damaged file counts as none."""
    fields = read_json_or_none(layout.at(LABELS))
    if fields is None:
        return Labels()
    name, notes = fields.get("name"), fields.get("notes")
    return Labels(
        clean_line(name, limit=NAME_LIMIT) or None if isinstance(name, str) else None,
        clean(notes, limit=NOTES_LIMIT) if isinstance(notes, str) else "",
        _tags(fields.get("tags")),
        fields.get("pinned") is True,
    )


def update_labels(
    layout: RunLayout,
    *,
    name: str | None = None,
    notes: str | None = None,
    tags: Iterable[str] | None = None,
    pinned: bool | None = None,
) -> Labels:
    """Change what is given, keep the rest, also what a newer version added; return the labels as written.

    Tokens and keys in what is given are hidden.

    Raises:
        ConsoleError: when the run is somebody else's, or the file cannot be written.
    """
    # Its patterns take a while to compile, and the history reads labels before its first frame.
    from nli_console.record.secrets import scrub

    require_access(layout, "labelled")
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_line(scrub(name), limit=NAME_LIMIT) or None
    if notes is not None:
        changes["notes"] = clean(scrub(notes), limit=NOTES_LIMIT)
    if tags is not None:
        changes["tags"] = _tags([scrub(tag) for tag in tags])
    if pinned is not None:
        changes["pinned"] = pinned
    labels = replace(read_labels(layout), **changes)
    record = {"v": 1, **(read_json_or_none(layout.labels) or {})}
    record |= {"notes": labels.notes, "tags": list(labels.tags), "pinned": labels.pinned}
    record.pop("name", None)
    if labels.name is not None:
        record["name"] = labels.name
    try:
        write_json(layout.labels, record)
    except OSError as error:
        raise ConsoleError(f"{clean_line(layout.labels)}: cannot be written: {error.strerror}") from error
    return labels


def _tags(value: object) -> tuple[str, ...]:
    words = (
        (clean_line(tag, limit=TAG_LIMIT) for tag in value if isinstance(tag, str))
        if isinstance(value, list)
        else ()
    )
    return tuple(dict.fromkeys(word for word in words if word))[:TAGS_LIMIT]
