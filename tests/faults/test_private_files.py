"""On a shared machine: what others may read, stop or tamper with, whatever the umask was."""

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nli_console
from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.labels import update_labels
from nli_console.record.layout import RunLayout
from nli_console.record.spec_io import submit
from nli_console.record.state import State, derive
from nli_console.supervisor import actions
from nli_console.worker.checkpoints import checkpoint_at, problem_of, seal
from tests.supervisor.conftest import PATIENCE, Desk, training, until
from tests.support.fake_runs import make_run, make_spec

NOBODY = 65534


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_folders_are_0700_and_files_0600_with_any_umask(desk: Desk, open_umask: None, tmp_path: Path) -> None:
    """Fault: umask 000. Whatever a run's life leaves can be read by its owner alone."""
    run = desk.submit(steps=100_000, step_seconds=0.01)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    update_labels(run, name="mine", notes="secret plans", tags=["x"])
    folder = checkpoint_at(run, 10).path
    run.checkpoints.mkdir(mode=0o700)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    seal(folder)
    actions.stop(run, "anna")
    assert process.wait(PATIENCE) == 3
    actions.delete(run)
    actions.restore(desk.runs_dir, run.id)
    left = [desk.runs_dir, *desk.runs_dir.rglob("*"), tmp_path / "leases", *(tmp_path / "leases").rglob("*")]
    # The stand-in worker, and not the console, makes this one.
    shared = [p for p in left if stat.S_IMODE(p.stat().st_mode) & 0o077 and not p.name.startswith("saved-at")]
    assert shared == []
    assert len(left) > 15


def as_nobody(work: Callable[[], object]) -> str:
    """Do ``work`` as another user, in a child; what it gave or raised, in words."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            said = f"gave {work()!r}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter, as /home is; ``TMPDIR`` may be one's own."""
    folder = Path(tempfile.mkdtemp(prefix="nli-public-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_read_nor_stop_a_run(public: Path, open_umask: None) -> None:
    """Fault: another user of the machine looks for one's runs, and tries to stop one."""
    run = make_run(public / "runs", "running", steps=3)
    assert as_nobody(lambda: os.listdir(public)) == "gave ['runs']"
    assert "Permission denied" in as_nobody(lambda: os.listdir(public / "runs"))
    assert "Permission denied" in as_nobody(lambda: run.spec.read_bytes())
    assert as_nobody(lambda: derive(gather(run)).state is State.UNREADABLE) == "gave True"
    assert "Error" in as_nobody(lambda: actions.stop(run, "nobody"))
    assert not run.stop_request.exists()
    assert derive(gather(run)).state is State.RUNNING


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_what_another_user_owns_is_looked_at_and_not_resumed(public: Path) -> None:
    """Fault: a run folder of another user's. It is shown; its checkpoints are not loaded."""
    run = make_run(public / "runs", "failed", steps=3)
    folder = checkpoint_at(run, 3).path
    folder.mkdir(parents=True, mode=0o700)
    (folder / "model.safetensors").write_bytes(b"weights")
    seal(folder)
    for path in (run.path, folder):
        os.chown(path, NOBODY, NOBODY)
    assert derive(gather(run)).state is State.FAILED
    with pytest.raises(ConsoleError, match="belongs to"):
        actions.resume(run)
    assert problem_of(folder) == "the folder belongs to another user"


def test_a_runs_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """Fault: everybody may write into the runs folder, and could put a run there."""
    root = tmp_path / "runs"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(ConsoleError, match="chmod go-w"):
        submit(root, make_spec(run_id="a-run"))
    assert json.dumps(os.listdir(root)) == "[]"


def test_a_request_of_a_layout_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Fault: the run was deleted by another console in between."""
    run = make_run(tmp_path / "runs", "running", steps=3)
    shutil.rmtree(run.path)
    with pytest.raises(ConsoleError):
        actions.stop(RunLayout(run.path), "anna")


def test_nothing_opens_a_socket() -> None:
    """Fault: a port or socket would let everybody on the machine talk to one's runs."""
    package = Path(nli_console.__file__).parent
    users = re.compile(
        r"^\s*(?:import|from) (?:socket|socketserver|http\.server|multiprocessing\.connection)", re.M
    )
    found = {
        path.name: re.findall(r"socket\.(\w+)", path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
        if users.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"processes.py": ["gethostname"]}
