"""predict, package, card and report on the command line: what is asked, shown, refused, and stopped."""

import csv
import json
import os
import shutil
import signal

import pytest
from pydantic import BaseModel

from nli_console.cli import errands
from nli_console.cli.errands import follow
from nli_console.cli.progress import Screen
from nli_console.errors import ConsoleError
from tests.support.fake_reports import write_report
from tests.support.fake_runs import make_run

FAKE = "tests.support.fake_errand"


class Asked(BaseModel):
    told: str = "this"


def test_progress_and_what_is_waited_for_are_told(capsys):
    assert follow(FAKE, "answers", Asked()) == {"id": None, "event": "done", "rows": 2, "told": "this"}
    said = capsys.readouterr().err
    assert "waiting for a CPU slot, held by run-1" in said
    assert "predicting  1 rows of 2 (50 %)" in said


def test_ctrl_c_stops_it_in_order(monkeypatch, capsys):
    update = Screen.update

    def press(self, progress, now=None):
        update(self, progress, now)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(errands.Screen, "update", press)
    before = signal.getsignal(signal.SIGINT)
    assert follow(FAKE, "waits", Asked())["event"] == "stopped"
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping; what is done is kept" in capsys.readouterr().err


def test_what_goes_wrong_is_one_clean_sentence():
    with pytest.raises(ConsoleError) as caught:
        follow(FAKE, "complains", Asked())
    assert (str(caught.value), caught.value.exit_code) == ("no such \ufffd[31mthing", 2)
    with pytest.raises(ConsoleError) as caught:
        follow(FAKE, "dies", Asked())
    assert str(caught.value) == "dies was ended with exit code 7: Traceback: out of\ufffd[31m luck"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nothing to predict: give --premise and --hypothesis, or --input and --output"),
        (("--premise", "a"), "the hypothesis is empty"),
        (("--premise", "a", "--hypothesis", "b", "--input", "c.csv"), "contradict each other"),
        (("--input", "c.csv"), "say where the answers go"),
        (("--premise", "a", "--hypothesis", "b", "--output", "c.csv"), "--output needs --input"),
        (("--premise", "a", "--hypothesis", "b"), 'nothing to evaluate is called "nothing"'),
    ],
)
def test_bad_input_is_one_sentence(place, arguments, sentence):
    result = place.call("predict", "nothing", *arguments)
    assert result.code == 2
    assert sentence in result.err


@pytest.mark.slow
def test_a_file_is_answered_by_a_process_of_its_own(place):
    from tests.worker import tiny

    tiny.roberta(place.folder / "classifier", labels=("CONTRADICTION", "NEUTRAL", "ENTAILMENT"))
    rows = [("a", "the man is old", "some cat"), ("b", "the dog, red", "a woman sleeping")]
    with (place.folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "premise", "hypothesis"), *rows])
    job = ("predict", "./classifier", "--input", "pairs.csv", "--output", "out.jsonl")
    result = place.call(*job, "--json")
    assert result.code == 0, result.err
    assert (result.json["rows"], result.json["new"], result.json["invalid"]) == (2, 2, 0)
    answers = [json.loads(line) for line in (place.folder / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["premise"], row["hypothesis"]) for row in answers] == rows
    for row in answers:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["predicted"] == max(row["probabilities"], key=row["probabilities"].get)
    assert list((place.folder / "leases").glob("*/*")) == []


def test_a_report_is_written_whole_and_not_over_another(place):
    one = make_run(place.runs_dir, "finished", steps=20)
    write_report(one)
    result = place.call("report", one.id, "--output", "report.html")
    assert result.code == 0, result.err
    assert "written: report.html" in result.err
    text = (place.folder / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert one.id in text
    again = place.call("report", one.id, "--output", "report.html")
    assert (again.code, "--overwrite replaces it" in again.err) == (2, True)
    assert place.call("report", one.id, "--output", "no/report.html").code == 2
    shutil.rmtree(place.runs_dir)


def test_a_card_is_printed(place):
    one = make_run(place.runs_dir, "finished", steps=20)
    result = place.call("card", one.id)
    assert result.code == 0
    assert result.out.startswith("---\n")
    assert place.call("card", "nothing").code == 2
    shutil.rmtree(place.runs_dir)
