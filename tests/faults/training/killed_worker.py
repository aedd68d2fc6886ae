"""A real worker that is killed in the middle of a save: ``killed_worker.py RUN_DIR ATTEMPT STEP WHERE``.

``WHERE`` is ``library`` (the library has written some of its files), ``seal`` (all files stand, the manifest
does not) or ``rotation`` (the new one counts, the one before is half deleted).
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from nli_console.worker import checkpoints
from nli_console.worker.run import run
from nli_console.worker.stop import StopFlag

RUN_DIR, ATTEMPT, STEP, WHERE = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_library() -> None:
    import torch

    save = torch.save

    def cut(obj: Any, path: Any, *arguments: Any, **named: Any) -> None:
        if f"checkpoint-{STEP}/" in str(path):
            Path(path).write_bytes(b"half of it")
            die()
        save(obj, path, *arguments, **named)

    torch.save = cut


def in_seal() -> None:
    write_json = checkpoints.write_json

    def cut(path: Path, fields: Any) -> None:
        if path.parent.name == f"checkpoint-{STEP}":
            (path.parent / ".MANIFEST.json.1-2.tmp").write_bytes(b'{"v": 1, "fi')
            die()
        write_json(path, fields)

    checkpoints.write_json = cut


def in_rotation() -> None:
    def cut(folder: Path, **_: object) -> None:
        next(folder.glob("*.safetensors")).unlink()
        die()

    remove = checkpoints.remove

    def watched(folder: Path) -> None:
        if folder.is_dir():
            shutil.rmtree = cut
        remove(folder)

    checkpoints.remove = watched


{"library": in_library, "seal": in_seal, "rotation": in_rotation}[WHERE]()
sys.exit(run(RUN_DIR, ATTEMPT, StopFlag()))
