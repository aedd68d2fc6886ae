"""``nli-console label``: what a run is called, notes, tags and the pin."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.options import Run
from nli_console.cli.output import pairs, say
from nli_console.errors import ConsoleError
from nli_console.record.files import read_json_or_none
from nli_console.record.groups import member_name
from nli_console.record.labels import Labels, read_labels, update_labels
from nli_console.record.layout import RunLayout


def label(
    run: Run,
    *,
    name: Annotated[
        str | None, Parameter(help="what it is called; empty for the name it was started with")
    ] = None,
    note: Annotated[str | None, Parameter(help="notes, in place of those that are there")] = None,
    tag: Annotated[
        list[str] | None, Parameter(negative="", help="a tag to add; may be given several times")
    ] = None,
    untag: Annotated[
        list[str] | None, Parameter(negative="", help="a tag to take away; may be given several times")
    ] = None,
    pin: Annotated[
        bool | None, Parameter(negative="--unpin", help="keep it on top of the history and out of clean")
    ] = None,
    context: Ctx,
) -> None:
    """Name, tag, pin or annotate a run or group; without an option, show what it is labelled with."""
    found = context.find(run)
    for layout in found.layouts:
        before = read_labels(layout)
        missing = [each for each in untag or () if each not in before.tags]
        if missing and len(found.layouts) == 1:
            raise ConsoleError(
                f'{layout.id} has no tag "{missing[0]}" (tags: {", ".join(before.tags) or "none"})'
            )
        kept = [each for each in before.tags if each not in (untag or ())]
        if any(value is not None for value in (name, note, tag, untag, pin)):
            before = update_labels(
                layout,
                name=_name(layout, name, found.group is not None),
                notes=note,
                tags=[*kept, *(tag or ())] if tag or untag else None,
                pinned=pin,
            )
        if found.group is None:
            say(pairs(_lines(layout.id, before)))
    if found.group is not None:
        _say_group(found.group, found.layouts)


def _name(layout: RunLayout, name: str | None, grouped: bool) -> str | None:
    """In a group each run keeps its seed behind the name."""
    if not name or not grouped:
        return name
    seed = (read_json_or_none(layout.spec) or {}).get("seed")
    return member_name(name, seed) if isinstance(seed, int) else name


def _say_group(group: str, layouts: Sequence[RunLayout]) -> None:
    say(f"{group}: {len(layouts)} runs")
    for layout in layouts:
        say()
        say(pairs(_lines(layout.id, read_labels(layout))))


def _lines(id: str, labels: Labels) -> list[tuple[str, object]]:
    return [
        ("id", id),
        ("name", labels.name or "the one it was started with"),
        ("tags", ", ".join(labels.tags) or "none"),
        ("pinned", "yes" if labels.pinned else "no"),
        ("notes", labels.notes or "none"),
    ]
