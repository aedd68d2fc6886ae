"""The HTML report: what it tells, that nothing untrusted acts in it, and that everybody can read it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from nli_console.analysis.report.document import report
from nli_console.errors import ConsoleError
from nli_console.record.labels import update_labels
from nli_console.record.layout import RunLayout
from tests.support.fake_predictions import pairs, write_predictions
from tests.support.fake_reports import share, write_guards, write_report
from tests.support.fake_runs import make_run

HOSTILE = '<script>alert("1")</script> & \x1b[31m"'
TOKEN = "hf_" + "a1B2" * 10
VOID = {"meta", "br", "input", "hr"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list["Node"]:
        found = [self] if self.tag in tags else []
        return found + [node for child in self.children for node in child.all(*tags)]

    @property
    def words(self) -> str:
        return self.text + "".join(child.words for child in self.children)


class Tree(HTMLParser):
    """The document as a tree; an element that is not closed, or closed twice, is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.open = Node("", {})
        self.feed(text)
        assert self.open is self.root, f"<{self.open.tag}> is not closed"

    def handle_starttag(self, tag, attrs):
        node = Node(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.children.append(node)
        if tag not in VOID:
            self.open = node

    def handle_endtag(self, tag):
        assert tag == self.open.tag, f"</{tag}> closes <{self.open.tag}>"
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.text += data


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunLayout]:
    """Two finished runs, one of them with hostile texts."""
    root = tmp_path_factory.mktemp("report") / "runs"
    plain = make_run(root, "finished", steps=60, accuracy=0.867, nan_at=(7,))
    write_report(plain)
    write_report(plain, split="validation_mismatched")
    hostile = make_run(root, "finished", steps=40, accuracy=0.84, method="full", preset=HOSTILE)
    update_labels(hostile, name=f"{HOSTILE} {TOKEN}")
    write_report(hostile, genres={HOSTILE: share(600, 900), "fiction": share(1500, 1973)})
    write_guards(hostile, ("one_class", "warning", HOSTILE))
    rows = pairs(200)
    write_predictions(plain, rows, range(20))
    write_predictions(hostile, rows, range(60))
    return [plain, hostile]


@pytest.fixture(scope="module")
def single(runs: list[RunLayout]) -> str:
    return report(runs[:1])


@pytest.fixture(scope="module")
def compared(runs: list[RunLayout]) -> str:
    return report(runs)


def section(document: str, id: str) -> Node:
    (found,) = [
        part for part in Tree(document).root.all("section") if part.attributes["aria-labelledby"] == id
    ]
    return found


def test_a_run_is_told_with_its_figures_and_how_to_repeat_it(single: str, runs: list[RunLayout]) -> None:
    results = section(single, "results").words
    assert "86.7 %" in results
    assert "9,815" in results
    curves = section(single, "curves")
    choices = [node.words for node in curves.all("label")]
    assert choices[:4] == ["step", "epoch", "samples", "time"]
    loss = curves.all("desc")[0].words
    assert "1 points missing" in loss
    assert "at 60" in loss
    assert (
        "3,000 entailment, 400 neutral, 79 contradiction" in section(single, "confusion").all("desc")[0].words
    )
    assert "telephone 89.0 %" in section(single, "slices").all("desc")[0].words
    assert "learning_rate" in section(single, "settings").words
    assert "nli-console run lora" in section(single, "command").words
    assert runs[0].id in single
    assert "tests" not in {node.attributes.get("id") for node in Tree(single).root.all("h2")}


def test_a_comparison_tells_what_differs(compared: str) -> None:
    assert "method" in section(compared, "differences").words
    (said, *_) = section(compared, "tests").all("li")
    assert "is better than" in said.words
    assert "by 20.0 points (95 %: " in said.words
    (row,) = section(compared, "tests").all("tbody")[0].all("tr")
    assert [cell.words for cell in row.all("td")][1] == "+20.0"
    assert len(section(compared, "curves").all("figure")[0].all("path")) > 1
    cost = section(compared, "cost").all("tbody")[0]
    assert len(cost.all("tr")) == 2


@pytest.mark.parametrize("which", ["single", "compared"])
def test_it_can_be_read_by_ear_and_by_keyboard(which: str, request: pytest.FixtureRequest) -> None:
    root = Tree(request.getfixturevalue(which)).root
    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer", "h1", "title"):
        assert len([node for node in root.all(landmark) if node.parent.tag != "svg"]) == 1, landmark
    levels = [int(node.tag[1]) for node in root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [node.attributes["id"] for node in every(root) if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    known = set(ids)
    links = root.all("a")
    assert links[0].attributes["href"] == "#main"
    assert {link.attributes["href"][1:] for link in links} <= known
    for node in every(root):
        named = node.attributes.get("aria-labelledby", "").split() + node.attributes.get("for", "").split()
        assert set(named) <= known
    for table in root.all("table"):
        assert len(table.all("caption")) == 1
        assert {cell.attributes.get("scope") for cell in table.all("th")} == {"row", "col"}
    images = [node for node in root.all("svg") if node.attributes.get("aria-hidden") != "true"]
    assert images
    for image in images:
        assert image.attributes["role"] == "img"
        assert [part.tag for part in image.children[:2]] == ["title", "desc"]
        assert all(part.words.strip() for part in image.children[:2])
    scrolled = [node for node in every(root) if node.attributes.get("role") == "region"]
    assert all(node.attributes["tabindex"] == "0" for node in scrolled)


def every(node: Node) -> list[Node]:
    return [node, *(each for child in node.children for each in every(child))]


@pytest.mark.parametrize("which", ["single", "compared"])
def test_it_needs_nothing_beside_it(which: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(which)
    assert re.findall(r"https?://[^\"\s]*", document.replace("http://www.w3.org/2000/svg", "")) == []
    for outside in ("src=", "url(", "@import", "<link", "<iframe", "<script", "javascript:"):
        assert outside not in document
    (policy,) = [
        node.attributes["content"]
        for node in Tree(document).root.all("meta")
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy


def test_nothing_untrusted_acts_and_no_secret_is_told(compared: str) -> None:
    assert "&lt;script&gt;alert" in compared
    assert "\x1b" not in compared
    assert TOKEN not in compared
    assert {node.tag for node in every(Tree(compared).root)} & {"script", "b", "img"} == set()
    names = [node.words for node in section(compared, "slices").all("th")]
    assert any(name.startswith("<script>alert") for name in names)


def test_a_run_that_cannot_be_read_is_named_and_the_rest_is_told(
    runs: list[RunLayout], tmp_path: Path
) -> None:
    broken = make_run(tmp_path / "runs", "unreadable")
    document = report([runs[0], broken, RunLayout(tmp_path / "nowhere")])
    said = [node.words for node in Tree(document).root.all("p") if "could not be read" in node.words]
    assert len(said) == 2
    assert "86.7 %" in section(document, "results").words
    unfinished = report([make_run(tmp_path / "runs", "running", steps=30)])
    assert "No split was scored." in section(unfinished, "results").words
    with pytest.raises(ConsoleError, match="0 runs: name 1 to 8"):
        report([])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the report is not opened in it")
@pytest.mark.slow
def test_a_browser_shows_it_without_a_complaint_light_and_dark(compared: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(compared, encoding="utf-8")
    shots: list[bytes] = []
    for scheme in ("0", "1"):
        shot = tmp_path / f"{scheme}.png"
        done = browse(
            tmp_path, page, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}"
        )
        assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stderr
        shots.append(shot.read_bytes())
    assert all(shot.startswith(b"\x89PNG") for shot in shots)
    assert shots[0] != shots[1]
    shown = browse(tmp_path, page, "--dump-dom").stdout
    # What the browser makes of it is what was written: nothing had to be mended.
    assert shape(shown) == shape(compared)


def browse(folder: Path, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return subprocess.run(
        [
            CHROMIUM, "--headless", "--disable-gpu", *sandbox, f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--window-size=1000,3000",
            *options, page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip


def shape(document: str) -> list[str]:
    """The tags in their order, without those that a browser adds by itself."""
    return [node.tag for node in every(Tree(document).root)]
