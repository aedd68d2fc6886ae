"""What of the runs and caches could be dropped, how much that frees, and dropping it.

Nothing that is pinned, live or somebody else's is ever proposed, and each thing is looked at once more before
it goes. What was measured stays: records, predictions, the product and the best checkpoint.
"""

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nli_console.data import token_cache
from nli_console.errors import ConsoleError
from nli_console.record.access import read_only_reason
from nli_console.record.evidence import gather
from nli_console.record.files import folder_size
from nli_console.record.labels import read_labels
from nli_console.record.layout import CHECKPOINT_NAME, MANIFEST, SPEC, TRASH, RunLayout
from nli_console.record.sources import best_step, whole_checkpoints
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State, derive
from nli_console.record.store import RunSummary, Store
from nli_console.settings import LoadedSettings
from nli_console.supervisor import actions
from nli_console.text import clean_line, format_bytes

Kind = Literal["checkpoints", "features", "failed", "trash", "cache"]
KINDS: dict[Kind, str] = {
    "checkpoints": "checkpoints that nothing needs any more",
    "features": "features that a run in between kept; a resume computes them again",
    "failed": "runs that ended before they measured anything, to the trash",
    "trash": "deleted runs, for good",
    "cache": "tokenised data; the next run makes what it needs",
}
Progress = Callable[[int, int, str], None]
"""Called with how many are done, of how many, and the name of the next one, cleaned."""
_UNTOUCHED = 3600.0
"""Seconds that a half-written folder is left alone: a submission may be on its way."""
_ENDED = frozenset({State.FINISHED, State.FAILED, State.STOPPED, State.LOST})


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that could go. ``bytes`` is what that frees; what goes to the trash frees nothing yet.

    ``paths`` are deleted for good, except of the kind ``failed``, whose run folder is moved to the trash.
    """

    kind: Kind
    name: str
    why: str
    bytes: int
    paths: tuple[Path, ...]
    run: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "why": self.why,
            "bytes": self.bytes,
            "run": self.run or None,
            "paths": [str(path) for path in self.paths],
        }


def propose(
    settings: LoadedSettings, progress: Progress | None = None, now: float | None = None
) -> list[Item]:
    """What could be dropped, by kind, the largest first. Walks folders, so call it away from the event loop.

    ``progress`` is told of each run before it is measured.
    """
    moment = time.time() if now is None else now
    store = Store(settings.runs_dir)
    store.refresh(moment)
    items: list[Item] = []
    needed = _needed(store.runs)
    for place, run in enumerate(store.runs):
        if not _may_go(run):
            continue
        if progress is not None:
            progress(place, len(store.runs), clean_line(run.name or run.id, limit=60))
        items += _of_run(run, needed, moment)
    trash = _trash(settings.runs_dir)
    items += [trash] if trash is not None else []
    if not any(run.state.state.live for run in store.runs):
        items += _cache(settings.cache_dir)
    kinds = list(KINDS)
    return sorted(items, key=lambda item: (kinds.index(item.kind), -item.bytes, item.name))


def carry_out(
    items: Sequence[Item],
    settings: LoadedSettings,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[int, list[str]]:
    """Drop ``items``; the bytes that were freed, and a sentence for each thing that stays after all.

    ``progress`` is told of each item before it goes; before each it is asked whether to stop there.
    """
    freed, problems = 0, list[str]()
    for place, item in enumerate(items):
        if stopped():
            problems.append(f"stopped: {total_text(items[place:])}, left as it was")
            break
        if progress is not None:
            progress(place, len(items), item.name)
        try:
            freed += _drop(item, settings)
        except (ConsoleError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{item.name}: {said}")
    return freed, problems


def total_text(items: Sequence[Item]) -> str:
    """``3 things, 12.3 GiB``."""
    noun = "thing" if len(items) == 1 else "things"
    return f"{len(items)} {noun}, {format_bytes(sum(item.bytes for item in items))}"


def _may_go(run: RunSummary) -> bool:
    return not run.pinned and not run.state.state.live and not read_only_reason(run.path)


def _of_run(run: RunSummary, needed: Collection[Path], now: float) -> list[Item]:
    layout, state = run.layout, run.state.state
    title = clean_line(run.name or run.id, limit=60)
    if _says_nothing(run, now):
        why = run.reason or f"{state.value} before its first step"
        return [Item("failed", title, clean_line(why, limit=200), 0, (layout.path,), run.id)]
    if state not in _ENDED:
        return []
    items: list[Item] = []
    spare, why = spare_checkpoints(layout, state)
    spare = [path for path in spare if path not in needed]
    if spare:
        size = sum(map(folder_size, spare))
        steps = ", ".join(path.name.removeprefix("checkpoint-") for path in spare)
        items.append(Item("checkpoints", title, f"{why}: {steps}", size, tuple(spare), run.id))
    if layout.features.is_dir() and not layout.features.is_symlink():
        size = folder_size(layout.features)
        items.append(Item("features", title, f"it is {state.value}", size, (layout.features,), run.id))
    return items


def _says_nothing(run: RunSummary, now: float) -> bool:
    """Whether a run ended without a step or a figure, so that nothing in it is of any use."""
    if run.state.state is State.UNREADABLE:
        # A newer version, or one's own rights, may be why it cannot be read: only the half-written goes.
        return _half_written(run.path) and now - _changed(run.path) > _UNTOUCHED
    measured = bool(run.step) or bool(run.accuracy) or run.layout.scored.exists()
    return run.state.state in (State.FAILED, State.STOPPED, State.LOST) and not measured


def spare_checkpoints(layout: RunLayout, state: State) -> tuple[list[Path], str]:
    """Checkpoints of an ended run that nothing needs, and why.

    A finished run keeps the best; any other run the two newest whole ones, of which a resume takes the first
    that is sound, and the best. What a kill left half-saved counts as nothing.
    """
    whole = whole_checkpoints(layout)
    try:
        folders = [
            path for path in sorted(layout.checkpoints.iterdir()) if CHECKPOINT_NAME.fullmatch(path.name)
        ]
    except OSError:
        return [], ""
    torn = [
        path for path in folders if path not in whole.values() and path.is_dir() and not path.is_symlink()
    ]
    steps = sorted(whole)
    kept = set() if state is State.FINISHED else set(steps[-2:])
    best = best_step(layout, gather(layout))
    # Without a word on which is the best, the last stands for it.
    kept |= {best} if best in whole else set(steps[-1:])
    spare = [whole[step] for step in steps if step not in kept]
    if not spare:
        return torn, "saving was cut short"
    return [*spare, *torn], "neither the best nor needed for a resume"


def _needed(runs: Iterable[RunSummary]) -> set[Path]:
    """Checkpoints that an evaluation which has not ended yet scores, or may score after a resume."""
    found: set[Path] = set()
    for run in runs:
        if run.evaluates and run.state.state is not State.FINISHED:
            try:
                evaluated = load_spec(run.layout).evaluates
            except ConsoleError:
                continue
            if evaluated is not None:
                found.add(Path(evaluated.weights))
    return found


def _trash(runs_dir: Path) -> Item | None:
    """The deleted runs together, those that were pinned left out."""
    folders = [RunLayout(runs_dir / TRASH / name) for name in actions.trashed(runs_dir)]
    gone = [layout.path for layout in folders if not read_labels(layout).pinned]
    if not gone or read_only_reason(runs_dir):
        return None
    noun = "run" if len(gone) == 1 else "runs"
    return Item(
        "trash", f"{len(gone)} deleted {noun}", "in the trash", sum(map(folder_size, gone)), tuple(gone)
    )


def _cache(cache_dir: Path) -> list[Item]:
    size = token_cache.size(cache_dir)
    where = token_cache.folder(cache_dir)
    return [Item("cache", "tokenised data", "no run is going", size, (where,))] if size else []


def _drop(item: Item, settings: LoadedSettings) -> int:
    """Look once more whether it may go; then let it go.

    Raises:
        ConsoleError: it may not.
        OSError: it cannot be removed.
    """
    if item.kind == "cache":
        return token_cache.clear(settings.cache_dir)
    if item.kind == "trash":
        return sum(_remove(path) for path in item.paths if not read_labels(RunLayout(path)).pinned)
    layout = RunLayout(settings.runs_dir.resolve() / item.run)
    if read_labels(layout).pinned:
        raise ConsoleError("it was pinned in the meantime, so it stays")
    if derive(gather(layout)).state.live:
        raise ConsoleError("it is going again, so it stays")
    if item.kind == "failed":
        actions.delete(layout)
        return 0
    return sum(_remove(path) for path in item.paths)


def _remove(path: Path) -> int:
    """Delete a folder, the manifest of a checkpoint first: what may be left behind then counts as nothing."""
    if reason := read_only_reason(path):
        raise ConsoleError(f"{clean_line(path)} {reason}, so it stays")
    size = folder_size(path)
    if path.is_symlink():
        path.unlink()
        return 0
    (path / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(path)
    return size


def _half_written(folder: Path) -> bool:
    try:
        return SPEC not in os.listdir(folder)
    except OSError:
        return False


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()
