"""A checkpoint is whole or does not count, whatever happens while it is saved, and says what is wrong."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nli_console.record.layout import RunLayout
from nli_console.worker.checkpoints import (
    Sealer,
    checkpoint_at,
    drop_resume_files,
    listed,
    problem_of,
    remove,
    seal,
    verified,
)
from tests.faults.places import in_memory
from tests.faults.syscalls import every_moment, killed_at

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture
def run() -> Iterator[RunLayout]:
    """A run with a whole checkpoint of step 10."""
    with tempfile.TemporaryDirectory(prefix="nli-commits-", dir=in_memory()) as folder:
        layout = RunLayout(Path(folder) / "run")
        layout.checkpoints.mkdir(parents=True, mode=0o700)
        save(layout, 10)
        yield layout


def content(name: str, step: int) -> bytes:
    return f"{name} of step {step}\n".encode() * 20


def save(layout: RunLayout, step: int) -> None:
    """As a training does: room, the library's files (its pickled arguments too), the seal, the rotation."""
    folder = checkpoint_at(layout, step).path
    remove(folder)
    folder.mkdir(mode=0o700)
    for name in (*FILES, "training_args.bin"):
        with open(folder / name, "wb", buffering=0) as stream:
            half = len(content(name, step)) // 2
            stream.write(content(name, step)[:half])
            stream.write(content(name, step)[half:])
    Sealer(layout, 1, lambda: None).seal(checkpoint_at(layout, step))


def is_step(folder: Path, step: int) -> bool:
    return all((folder / name).read_bytes() == content(name, step) for name in FILES)


def test_a_kill_at_every_write_of_a_save_leaves_a_whole_checkpoint(run: RunLayout) -> None:
    """Fault: the worker is killed at any system call of a save. The step before or this one is whole."""
    pristine = run.path.parent / "pristine"
    shutil.copytree(run.path, pristine)
    found: list[int] = []
    for moment in every_moment():
        shutil.rmtree(run.path)
        shutil.copytree(pristine, run.path)
        killed = killed_at(moment, lambda: save(run, 20))
        chosen = verified(run).checkpoint
        assert chosen is not None, f"no checkpoint is left after a kill at moment {moment}"
        assert is_step(chosen.path, chosen.step)
        found.append(chosen.step)
        if not killed:
            break
        # The resumed run comes to the same step, over what the kill has left.
        save(run, 20)
        again = verified(run)
        assert (again.checkpoint and again.checkpoint.step, again.invalid) == (20, ())
        assert [checkpoint.step for checkpoint in listed(run)] == [20]
    assert len(found) > 60
    assert found == sorted(found), "once the new one counts, it counts at every later moment"
    assert {10, 20} == set(found)


def test_a_kill_while_an_old_checkpoint_is_deleted_leaves_nothing_that_counts_by_half(run: RunLayout) -> None:
    """Fault: the worker is killed while it deletes a checkpoint."""
    for moment in every_moment():
        save(run, 10)
        killed = killed_at(moment, lambda: remove(checkpoint_at(run, 10).path))
        chosen = verified(run).checkpoint
        assert chosen is None or is_step(chosen.path, 10)
        if not killed:
            break


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: flip(folder / "model.safetensors"), "model.safetensors does not match its checksum"),
        (lambda folder: flip(folder / "MANIFEST.json"), "MANIFEST.json|checksum|manifest|size|missing"),
        (lambda folder: (folder / "trainer_state.json").unlink(), "trainer_state.json is missing"),
        (lambda folder: (folder / "optimizer.pt").write_bytes(b""), "optimizer.pt has another size"),
        (lambda folder: (folder / "MANIFEST.json").unlink(), "saving it was cut short"),
        (lambda folder: (folder / "MANIFEST.json").write_bytes(b"\0" * 300), "not valid JSON"),
        (lambda folder: (folder / "training_args.bin").write_bytes(b"x"), "is not in its manifest"),
        (lambda folder: folder.chmod(0o770), "can be written to by others"),
        (lambda folder: (folder / "model.safetensors").chmod(0o666), "can be written to by others"),
        (lambda folder: link(folder / "optimizer.pt", folder / "model.safetensors"), "is a symbolic link"),
        (drop_resume_files, "no optimiser state"),
    ],
    ids=["flipped byte", "flipped manifest", "missing", "empty", "no manifest", "NUL manifest", "added",
         "folder open", "file open", "link", "no state"],
)  # fmt: skip
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_chosen(
    run: RunLayout, damage: Callable[[Path], object], words: str
) -> None:
    """Fault: a flipped byte, a missing or an empty file. It is named, and the one before is used."""
    folder = checkpoint_at(run, 20).path
    shutil.copytree(checkpoint_at(run, 10).path, folder)
    seal(folder)
    assert verified(run).checkpoint == checkpoint_at(run, 20)
    damage(folder)
    found = verified(run)
    assert found.checkpoint == checkpoint_at(run, 10)
    ((name, problem),) = found.invalid
    assert name == "checkpoint-20"
    assert re.search(words, problem)


def link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def test_every_flipped_bit_of_a_small_checkpoint_is_found(run: RunLayout) -> None:
    """Fault: any byte of any file of a checkpoint flips."""
    folder = checkpoint_at(run, 10).path
    for name in FILES:
        path = folder / name
        whole = path.read_bytes()
        for position in range(0, len(whole), 7):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
            assert problem_of(folder, resumable=True) == f"{name} does not match its checksum"
        path.write_bytes(whole)
    assert problem_of(folder, resumable=True) is None
