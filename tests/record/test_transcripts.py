"""Transcripts: kept turn by turn, reopened, listed, exported; private, cleaned, without secrets."""

import json
import re
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record import transcripts
from nli_console.record.transcripts import Said, begin, listed, reopen, to_markdown

TOKEN = "hf_" + "a1B2" * 9
ANSWER = Said("assistant", "neutral", {"label": "neutral", "raw": {"entailment": 0.25, "neutral": 0.75}}, 2.0)


def pair(text: str = "the prompt", **details: object) -> Said:
    return Said(
        "pair", text, {"premise": "a man sleeps", "hypothesis": "nobody", "gold": "neutral", **details}, 1.0
    )


def test_turns_are_kept_as_they_come_and_the_file_is_private(tmp_path: Path):
    folder = tmp_path / "state" / "transcripts"
    transcript = begin("demo-decoder", folder)
    assert not folder.exists()
    transcript.append(pair())
    transcript.append(ANSWER)
    lines = [json.loads(line) for line in transcript.path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["start", "turn", "turn"]
    assert lines[0]["model"] == "demo-decoder"
    assert transcript.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_reopened_one_goes_on(tmp_path: Path):
    first = begin("demo-decoder", tmp_path)
    first.append(pair())
    first.close()
    second = reopen(first.id, tmp_path)
    assert (second.model, second.turns) == ("demo-decoder", [pair()])
    second.append(ANSWER)
    second.close()
    third = reopen(first.id, tmp_path)
    assert third.turns == [pair(), ANSWER]
    assert third.path.read_text().count('"start"') == 1


def test_a_torn_line_loses_itself_alone(tmp_path: Path):
    transcript = begin("m", tmp_path)
    transcript.append(pair())
    transcript.close()
    with transcript.path.open("a") as file:
        file.write('{"kind": "turn", "role": "user", "te')
    again = reopen(transcript.id, tmp_path)
    again.append(ANSWER)
    again.close()
    found = reopen(transcript.id, tmp_path)
    assert found.turns == [pair(), ANSWER]
    assert found.bad_lines == 1


def test_what_is_no_turn_is_left_out(tmp_path: Path):
    transcript = begin("m", tmp_path)
    transcript.append(pair())
    transcript.close()
    with transcript.path.open("a") as file:
        file.write(
            '{"kind": "turn", "role": "root", "text": "x", "t": 1}\n{"kind": "turn", "role": "user"}\n'
        )
    assert reopen(transcript.id, tmp_path).turns == [pair()]


def test_the_newest_is_listed_first_with_what_was_said_first(tmp_path: Path):
    for number in (1, 3, 2):
        path = tmp_path / f"2026112{number}-140255-3f2a.jsonl"
        transcript = transcripts.Transcript(path, f"model-{number}")
        transcript.append(Said("system", "be brief", {}, 1.0))
        transcript.append(Said("user", f"question \x1b[31m{number}\n\nand more", {}, 5.0))
    (tmp_path / "notes.jsonl").write_text("{}\n")
    (tmp_path / "20261129-140255-3f2a.jsonl").write_text("")
    found = listed(tmp_path)
    assert [each.model for each in found] == ["model-3", "model-2", "model-1"]
    assert found[0].title == "question \ufffd[31m3 and more"
    assert (found[0].turns, found[0].modified) == (2, 5.0)
    assert listed(tmp_path / "nowhere") == []


@pytest.mark.parametrize("id", ["../../etc/passwd", "20261123-140255-3f2a", "", "x"])
def test_one_that_is_not_there_is_a_sentence(tmp_path: Path, id: str):
    with pytest.raises(ConsoleError, match="there is none in"):
        reopen(id, tmp_path)


def test_secrets_are_hidden_wherever_they_stand(tmp_path: Path):
    transcript = begin("m", tmp_path)
    transcript.append(Said("user", f"my token {TOKEN}", {"notes": [{"premise": TOKEN}]}))
    assert TOKEN not in transcript.path.read_text()
    assert TOKEN not in to_markdown(transcript)
    assert "[hidden]" in to_markdown(transcript)


def test_a_disk_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    (tmp_path / "20261123-140255-3f2a.jsonl").mkdir()
    transcript = transcripts.Transcript(tmp_path / "20261123-140255-3f2a.jsonl", "m")
    with pytest.raises(ConsoleError):
        transcript.append(pair())
    assert transcript.turns == []


def test_markdown_holds_everything_and_nothing_breaks_out_of_its_fence(tmp_path: Path):
    transcript = begin("demo-decoder", tmp_path)
    transcript.append(pair("text\n```\n# heading\n````\n\x1b[2J", premise="# a [link](x) `tick`"))
    transcript.append(ANSWER)
    text = to_markdown(transcript)
    assert text.startswith("# Chat with demo-decoder\n")
    assert "- premise: `` # a [link](x) `tick` ``" in text
    assert "- gold: neutral" in text
    assert "- read as: neutral" in text
    assert "- probabilities: entailment 25.0 %, neutral 75.0 %" in text
    assert "\x1b" not in text
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "# heading" not in outside
    assert [line for line in outside.splitlines() if line.startswith("#")] == [
        "# Chat with demo-decoder", "## Question", "## Assistant",
    ]  # fmt: skip
