"""What the Chat screen costs beside the model: keys while it loads and writes, bytes per token, first token.

A real console in a real pseudo-terminal of 120×40, with the real engine. So that an answer goes on for long
enough, the model of the first three figures is a Llama of random weights (56 million) with the demo
decoder's tokenizer, whose tokens are drawn as if all were equally likely; it is asked again until all keys
were pressed. A key press is one character typed
into the premise, timed from its byte until it stands on the screen; budget: 50 ms. The first token is the
demo decoder's: from the byte of Enter until the answer begins on the screen.

    python benchmarks/chat_pane.py [--presses 60] [--questions 20] [--tokens 600] [--json]
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nli_console.data.demo import demo_model_path
from nli_console.supervisor.lease import FOLDER_VARIABLE
from tests.support.terminal import Terminal

START = """
import sys
from nli_console.settings import LoadedSettings, Settings
from nli_console.tui.app import run_console
runs, model = sys.argv[1:]
values = Settings.model_validate({"runs_dir": runs, "cache_dir": runs + "-cache", "chat": {"model": model}})
sys.exit(run_console(LoadedSettings(values, None, None)))
"""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PREMISE = (3, 2)
"""Row and column of the premise's first character on the screen, from 0."""
ANSWER, COLUMN = 3, 46
"""Row of the answer's first line, and the column right of the rule beside it."""
BUDGET = 50.0
PATIENCE = 120.0
DELETE_TO_START = "\x15"
F9 = "\x1b[20~"
SENTENCE = "All the nurses are in the kitchen."
LOADED, WRITTEN = "✓ [0-9.]+ [KMG]iB of weights", r"(\d+) tokens, (cut|ended)"


def make_model(folder: Path) -> str:
    """A model that takes a while, in ``folder``."""
    import shutil

    from transformers import LlamaConfig, LlamaForCausalLM

    demo = demo_model_path("decoder")
    vocabulary = json.loads((demo / "config.json").read_text())["vocab_size"]
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=512, num_hidden_layers=16, num_attention_heads=8,
        num_key_value_heads=8, intermediate_size=1536, max_position_embeddings=2048,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(demo / name, folder / name)
    return str(folder)


class Pane:
    """The Chat screen in a terminal, with a pair in its fields."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._column = 0
        terminal.wait_for("Launch")
        terminal.press("3")
        terminal.wait_for(r"template +\w+")

    def draw_tokens(self, most: int) -> None:
        """Set the sampling to ``most`` tokens of an answer that nothing ends."""
        terminal = self._terminal
        terminal.type(F9)
        terminal.wait_for("max new tokens")
        for value in (str(most), "10"):
            terminal.press("tab", "tab") if value == str(most) else terminal.press("tab")
            terminal.press("end")
            terminal.type(DELETE_TO_START + value)
            terminal.wait_for(rf" {value} ")
        terminal.type(F9)
        terminal.wait_for("what is known")

    def write_pair(self) -> None:
        """The hypothesis keeps the focus."""
        self._terminal.type(SENTENCE)
        self._terminal.press("tab")
        self._terminal.type("A nurse is indoors.")
        self._terminal.wait_for("A nurse is indoors")

    def ask_again(self) -> int:
        """Put the pair again, whose premise was typed over; returns how many bytes had come before."""
        terminal = self._terminal
        terminal.press("shift+tab")
        terminal.type(DELETE_TO_START + SENTENCE)
        terminal.press("tab")
        terminal.pump(0.5)
        before = len(terminal.raw)
        terminal.press("enter")
        terminal.wait_gone(WRITTEN)
        return before

    def time_keys(self, most: int, over: Callable[[], object]) -> list[float]:
        """Milliseconds of every press into the premise until it is ``over``."""
        self._terminal.press("shift+tab")
        self._clear()
        times: list[float] = []
        while len(times) < most and not over():
            if self._column == len(LETTERS):
                self._clear()
            times.append(self._time_key())
            # As quick as a typist may be; other repaints of the time come in between.
            self._terminal.pump(0.05)
        self._terminal.press("tab")
        return times

    def _clear(self) -> None:
        self._terminal.type(DELETE_TO_START)
        self._column = 0
        self._await(lambda: self._shown(0) != LETTERS[0])
        self._terminal.pump(0.1)

    def _time_key(self) -> float:
        letter, column = LETTERS[self._column], self._column
        self._column += 1
        begun = time.perf_counter()
        self._terminal.type(letter)
        self._await(lambda: self._shown(column) == letter)
        return 1000 * (time.perf_counter() - begun)

    def _shown(self, column: int) -> str:
        return self._terminal.screen.buffer[PREMISE[0]][PREMISE[1] + column].data

    def _await(self, condition: Callable[[], object]) -> None:
        patience = time.perf_counter() + PATIENCE
        while not condition():
            if time.perf_counter() > patience:
                raise SystemExit(f"nothing came of a key; the screen is:\n{self._terminal.text}")
            self._terminal.pump(0.001)

    def first_token(self) -> float:
        """Milliseconds from Enter until the answer to the pair begins on the screen."""
        terminal = self._terminal
        terminal.press("escape")
        terminal.press("k")
        terminal.wait_for("No question was asked yet")
        terminal.press("tab")
        terminal.pump(0.3)
        begun = time.perf_counter()
        terminal.press("enter")
        self._await(lambda: re.match("[A-Za-z]", self._answer()) and "No question" not in self._answer())
        seen = 1000 * (time.perf_counter() - begun)
        terminal.wait_for("read as")
        return seen

    def _answer(self) -> str:
        line = self._terminal.screen.display[ANSWER]
        return line[COLUMN:].strip()


def figures(what: str, times: list[float]) -> dict[str, float]:
    return {
        f"{what}, presses": len(times),
        f"{what}, ms, median": statistics.median(times),
        f"{what}, ms, worst": max(times),
    }


def measure_writing(terminal: Terminal, options: argparse.Namespace) -> dict[str, float]:
    """Keys while the model loads and while it writes, and bytes a token."""
    pane = Pane(terminal)
    pane.draw_tokens(options.tokens)
    pane.write_pair()
    found = figures("key while nothing goes on", pane.time_keys(options.presses, lambda: False))
    pane.ask_again()
    found |= figures("key while it loads", pane.time_keys(10_000, lambda: re.search(LOADED, terminal.text)))
    terminal.wait_for(WRITTEN, timeout=PATIENCE)
    writing: list[float] = []
    while len(writing) < options.presses:
        pane.ask_again()
        wanted = options.presses - len(writing)
        writing += pane.time_keys(wanted, lambda: re.search(WRITTEN, terminal.text))
        terminal.wait_for(WRITTEN, timeout=PATIENCE)
    found |= figures("key while it writes", writing)
    before = pane.ask_again()
    written = terminal.wait_for(WRITTEN, timeout=PATIENCE)
    found["bytes per token"] = (len(terminal.raw) - before) / int(written[1])
    rate = terminal.wait_for(r"([0-9.]+) tokens/s")
    found["at tokens per second"] = float(rate[1])
    return found


def measure_first_token(terminal: Terminal, questions: int) -> dict[str, float]:
    pane = Pane(terminal)
    terminal.press("tab")
    pane.write_pair()
    terminal.press("enter")
    terminal.wait_for("read as")
    times = [pane.first_token() for _ in range(questions)]
    return figures("Enter to first token", times)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="nli-console-chat-") as name:
        folder = Path(name)
        slow = make_model(folder / "slow")
        environment = {
            FOLDER_VARIABLE: str(folder / "leases"), "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"), "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        for model, measure in (
            (slow, lambda terminal: measure_writing(terminal, options)),
            ("demo-decoder", lambda terminal: measure_first_token(terminal, options.questions)),
        ):
            argv = [sys.executable, "-c", START, str(folder / "runs"), model]
            with Terminal(argv, env=environment) as terminal:
                found |= measure(terminal)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(f"{what:36} {value:8.1f}" for what, value in found.items()))
    keys = [value for what, value in found.items() if what.startswith("key") and what.endswith("median")]
    return 0 if all(value <= BUDGET for value in keys) else 1


if __name__ == "__main__":
    sys.exit(main())
