"""Run folders that somebody prepared: links, FIFOs, folders, giants in the place of files; ids of paths."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.evaluation import read_reports
from nli_console.record.evidence import gather
from nli_console.record.files import read_json_or_none
from nli_console.record.journal import Journal
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import TRASH, RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.log_tail import read_log
from nli_console.record.spec_io import find_run, load_spec, run_ids, submit
from nli_console.record.state import derive
from nli_console.record.store import Store
from nli_console.supervisor import actions
from nli_console.supervisor.aftermath import log_tail
from tests.support.fake_reports import write_guards, write_report
from tests.support.fake_runs import make_run, make_spec

SECRET = "root:x:0:0:secret"
PATHS = ["../../x", "/etc/passwd", "..", ".", "", "a/b", "run\0", "-rf", "a" * 64, "Ärger", ".trash", "a\nb"]
ANSWERS_WITHIN = 60.0
"""Seconds after which a reader counts as hung; it takes milliseconds."""


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunLayout:
    """A run that goes on, or in the state that a test asks for."""
    layout = make_run(tmp_path / "runs", getattr(request, "param", "running"), steps=20)
    write_report(layout)
    write_guards(layout, ("loss_at_chance", "warning", "the loss stays at ln 3"))
    return layout


def read_everything(run: RunLayout) -> str:
    """All that the console ever reads of a run, as one text."""
    evidence = gather(run)
    live = LiveRun(run)
    live.poll()
    store = Store(run.path.parent)
    store.refresh()
    seen: list[object] = [
        evidence,
        derive(evidence),
        live.log,
        live.evals,
        live.guards,
        live.phase,
        store.runs,
    ]
    seen += [read_labels(run), read_log(run.attempt(1).console_log), log_tail(run.attempt(1).console_log)]
    try:
        seen += [read_reports(run), load_spec(run)]
    except ConsoleError as error:
        seen.append(error)
    return repr(seen)


def in_time(work: Callable[[], str]) -> str:
    """What ``work`` gives; a reader that waits for a FIFO would never come back."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    thread.join(ANSWERS_WITHIN)
    assert answers, "a reader hangs or raised"
    return answers[0]


def bytes_read() -> int:
    """By this process so far, from files of any kind."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def files_of(run: RunLayout) -> list[Path]:
    return [path for path in sorted(run.path.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("run", ["running", "failed"], indirect=True)
def test_a_fifo_in_the_place_of_any_file_holds_nobody_up(run: RunLayout) -> None:
    """Fault: a FIFO as metrics.jsonl, or as any other file of a run."""
    for path in files_of(run):
        kept = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        in_time(lambda: read_everything(run))
        path.unlink()
        path.write_bytes(kept)


@pytest.mark.parametrize("run", ["running", "failed"], indirect=True)
def test_a_link_in_the_place_of_any_file_is_not_followed(run: RunLayout, tmp_path: Path) -> None:
    """Fault: metrics.jsonl, or any other file of a run, is a link to a file of somebody's."""
    target = tmp_path / "passwd"
    target.write_text(f"{SECRET}\n{SECRET}\n")
    for path in files_of(run):
        kept = path.read_bytes()
        path.unlink()
        path.symlink_to(target)
        assert SECRET not in in_time(lambda: read_everything(run))
        path.unlink()
        path.write_bytes(kept)
    assert target.read_text() == f"{SECRET}\n{SECRET}\n"


@pytest.mark.parametrize("run", ["running", "failed"], indirect=True)
def test_a_folder_in_the_place_of_any_file_is_told(run: RunLayout) -> None:
    """Fault: a folder stands where a file of the record should."""
    for path in files_of(run):
        kept = path.read_bytes()
        path.unlink()
        path.mkdir()
        in_time(lambda: read_everything(run))
        path.rmdir()
        path.write_bytes(kept)


@pytest.mark.parametrize("run", ["running", "failed"], indirect=True)
def test_a_giant_in_the_place_of_any_file_is_not_read_whole(run: RunLayout) -> None:
    """Fault: a file of a run has a gigabyte. What is read of it is bounded."""
    for path in files_of(run):
        kept = path.read_bytes()
        os.truncate(path, 2**30)
        before = bytes_read()
        in_time(lambda: read_everything(run))
        assert bytes_read() - before < 64 * 2**20, path.name
        path.write_bytes(kept)


def test_nothing_is_written_through_a_link(run: RunLayout, tmp_path: Path) -> None:
    """Fault: a file that the console writes is a link to a file of the user's."""
    target = tmp_path / "precious"
    for path in (run.labels, run.stop_request, run.attempt(1).metrics):
        target.write_text("precious")
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    update_labels(run, name="mine")
    actions.stop(run, "anna")
    with pytest.raises(ConsoleError, match="not a regular file"):
        Journal(run.attempt(1).metrics)
    assert target.read_text() == "precious"
    assert read_labels(run).name == "mine"
    assert (read_json_or_none(run.stop_request) or {})["by"] == "anna"


@pytest.mark.parametrize("name", PATHS)
def test_an_id_is_never_a_path(run: RunLayout, name: str) -> None:
    """Fault: a run called ../../x. It is looked up, refused and cannot be made."""
    root = run.path.parent
    with pytest.raises(ConsoleError):
        find_run(root, name)
    with pytest.raises(ConsoleError):
        actions.restore(root, name)
    with pytest.raises(ConsoleError):
        submit(root, make_spec(run_id=name or "a b"))
    assert run_ids(root) == [run.id]


def test_linked_run_folders_are_neither_listed_nor_moved_nor_emptied(run: RunLayout, tmp_path: Path) -> None:
    """Fault: a run folder that is a link to another place."""
    root = run.path.parent
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run.path, elsewhere)
    (root / "linked").symlink_to(elsewhere)
    (root / TRASH).mkdir(mode=0o700)
    (root / TRASH / "trashed").symlink_to(elsewhere)
    assert run_ids(root) == [run.id]
    with pytest.raises(ConsoleError, match="not in the trash"):
        actions.restore(root, "trashed")
    actions.empty_trash(root)
    assert (elsewhere / "spec.json").is_file()
