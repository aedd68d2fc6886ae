"""``python -m nli_console.worker package``: a folder that the libraries load as it is, with its card."""

import os
import shutil
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.files import sync_file, sync_folder
from nli_console.record.packaging import Package, check_target
from nli_console.record.sources import verify
from nli_console.text import clean_line, format_bytes
from nli_console.worker.chat.channel import Tell
from nli_console.worker.download import model_folder
from nli_console.worker.errand import carry_out
from nli_console.worker.stop import StopFlag

CARD = "README.md"
_MARGIN = 16 * 1024 * 1024
"""Bytes beside the weights: configuration, tokenizer, card."""
_BLOCK = 4 * 1024 * 1024


def main() -> int:
    """Carry out one request."""
    return carry_out(Package, package)


def package(request: Package, tell: Tell, flag: StopFlag) -> dict[str, Any]:
    """Put the folder together beside its place and rename it; the fields of the last event.

    Raises:
        ConsoleError: the weights are gone or changed, the target is taken, or the disk has no room.
        Stopped: a stop was asked for; nothing is left.
    """
    target = check_target(Path(request.target))
    tell("phase", phase="verifying", detail=request.evaluates.title)
    verify(request.evaluates)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        if request.copied:
            _copy(Path(request.evaluates.weights), temporary, tell, flag)
        else:
            _save(request, temporary, tell, flag)
        (temporary / CARD).write_text(request.card, encoding="utf-8")
        flag.check()
        for path in temporary.rglob("*"):
            if path.is_file():
                sync_file(path)
        sync_folder(temporary)
        check_target(target)
        # An empty folder may stand in the place.
        temporary.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ConsoleError(
            f"--output {clean_line(target)}: cannot be written: {error.strerror or error}", exit_code=1
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    size = sum((target / name).stat().st_size for name in files)
    return {"path": str(target), "files": files, "bytes": size, "merged": request.merge}


def require_room(target: Path, needed: int) -> None:
    """Raises ``ConsoleError`` where the disk of ``target`` has not ``needed`` bytes for what comes."""
    free = shutil.disk_usage(target.parent).free
    if free < needed + _MARGIN:
        raise ConsoleError(
            f"--output {clean_line(target)}: needs {format_bytes(needed + _MARGIN)}, and its disk has "
            f"{format_bytes(free)} free; free some, or name a folder on another disk",
            exit_code=1,
        )


def _copy(source: Path, temporary: Path, tell: Tell, flag: StopFlag) -> None:
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and not path.is_symlink()]
    total = sum(path.stat().st_size for path in files)
    require_room(temporary, total)
    temporary.mkdir(mode=0o700)
    done = 0
    for path in files:
        copy = temporary / path.relative_to(source)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("rb") as stream, copy.open("wb") as out:
            while block := stream.read(_BLOCK):
                out.write(block)
                done += len(block)
                tell("phase", phase="copying", done=done, total=total, unit="bytes")
                flag.check()


def _save(request: Package, temporary: Path, tell: Tell, flag: StopFlag) -> None:
    """Load the weights, add the adapter to them where that is wanted, and save them."""

    def downloading(done: int, total: int | None) -> None:
        tell("phase", phase="downloading", done=done, total=total, unit="bytes", detail=request.model_name)

    # Nothing is computed that a GPU would be needed for, and a run may have it.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    folder = model_folder(request.model, downloading, flag)
    if request.merge:
        # What the files take is the least that the merged ones do; it is looked at again when they are known.
        require_room(temporary, sum(path.stat().st_size for path in folder.glob("*.safetensors")))
    tell("phase", phase="loading", detail=request.model_name)
    with flag.at_once():
        from nli_console.worker.merge import load, merged, size_of
        from nli_console.worker.products import save

        model, tokenizer, prompt = load(request, folder)
        if request.merge:
            tell("phase", phase="merging")
            model = merged(model)
        require_room(temporary, size_of(model))
    tell("phase", phase="saving")
    with flag.at_once():
        save(temporary, model, tokenizer, request.model, prompt)
