import os
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.files import RecordError, read_json, write_json
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import RUN_ID
from nli_console.record.spec_io import find_run, load_spec, new_id, run_folders, submit
from tests.support.fake_runs import make_run, make_spec


@pytest.mark.parametrize("model", ["FacebookAI/roberta-large", "/models/my model/", "ü" * 300, "a" * 300, ""])
def test_ids_are_safe_folder_names(model: str) -> None:
    found = new_id("qlora_classifier", model, 1795446175.0)
    assert RUN_ID.fullmatch(found)
    assert "--" not in found


def test_an_id_says_when_what_and_which() -> None:
    parts = new_id("lora", "FacebookAI/roberta-large", 0.0).split("-")
    assert parts[2:5] == ["lora", "roberta", "large"]
    assert len(parts[-1]) == 4


def test_a_submitted_spec_is_read_back_from_a_private_folder(tmp_path: Path) -> None:
    spec = make_spec(name="first try")
    layout = submit(tmp_path / "runs", spec)
    assert load_spec(layout) == spec
    assert read_labels(layout).name == "first try"
    for path in (layout.path, layout.attempts, layout.stop_request.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConsoleError, match="already"):
        submit(tmp_path / "runs", spec)


def test_an_unusable_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="run id"):
        submit(tmp_path / "runs", make_spec(run_id="../../x"))
    assert os.listdir(tmp_path) == []


def test_a_runs_folder_that_others_may_change_is_refused(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    runs.chmod(0o777)
    with pytest.raises(ConsoleError, match="chmod go-w"):
        submit(runs, make_spec())
    (tmp_path / "file").write_text("")
    with pytest.raises(ConsoleError, match="not a folder"):
        submit(tmp_path / "file", make_spec())
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(ConsoleError, match="cannot be opened"):
        submit(tmp_path / "nowhere", make_spec())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_link_to_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    (tmp_path / "runs").symlink_to(tmp_path / "theirs")
    with pytest.raises(ConsoleError, match="user 12345"):
        submit(tmp_path / "runs", make_spec())


def test_an_interrupted_or_damaged_submission_is_named(tmp_path: Path) -> None:
    layout = submit(tmp_path, make_spec(run_id="one"))
    layout.spec.unlink()
    with pytest.raises(RecordError, match="interrupted"):
        load_spec(layout)
    write_json(layout.spec, {"version": 9, "id": "one"})
    with pytest.raises(RecordError, match="newer version, 9"):
        load_spec(layout)


def test_a_newer_spec_is_read_as_far_as_it_is_understood(tmp_path: Path) -> None:
    layout = submit(tmp_path, make_spec(run_id="one"))
    write_json(layout.spec, {**(read_json(layout.spec) or {}), "version": 2, "novelty": 1})
    assert load_spec(layout).version == 2


def test_runs_are_found_by_id_prefix_and_name(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for run_id, name in (
        ("20260101-a", "alpha"),
        ("20260102-b", "beta"),
        ("20260102-b2", "twin"),
        ("x3", "twin"),
    ):
        make_run(runs, "submitted", run_id=run_id, name=name)
    (runs / "20260103-link").symlink_to(runs / "x3")
    (runs / ".trash").mkdir()
    assert [layout.id for layout in run_folders(runs)] == ["x3", "20260102-b2", "20260102-b", "20260101-a"]
    assert find_run(runs, "20260101").id == "20260101-a"
    assert find_run(runs, "20260102-b").id == "20260102-b"
    assert find_run(runs, "alpha").id == "20260101-a"
    for ambiguous in ("2026", "twin"):
        with pytest.raises(ConsoleError, match="20260102-b2"):
            find_run(runs, ambiguous)


@pytest.mark.parametrize("text", ["", ".", "..", "../x", "/etc", "x3/../x3", "\x1b[2J", "*", "20260103-link"])
def test_what_is_no_run_is_not_found(tmp_path: Path, text: str) -> None:
    make_run(tmp_path, "submitted", run_id="x3", name="only")
    with pytest.raises(ConsoleError) as caught:
        find_run(tmp_path, text)
    assert "\x1b" not in str(caught.value)


def test_labels_change_one_by_one_and_are_clean(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "submitted", name="before")
    update_labels(layout, notes="two\nlines \x1b[31m", tags=["a", "b ", "a", ""])
    update_labels(layout, name="\u202eafter", pinned=True)
    labels = read_labels(layout)
    assert (labels.tags, labels.pinned) == (("a", "b"), True)
    assert labels.name == "\N{REPLACEMENT CHARACTER}after"
    assert labels.notes.startswith("two\nlines")
    assert "\x1b" not in labels.notes
    layout.labels.write_text("[]")
    assert read_labels(layout).name is None
