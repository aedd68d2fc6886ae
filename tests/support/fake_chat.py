"""Stands in for the chat engine: knows the protocol and no model. ``FAKE_CHAT`` says how it behaves.

``long``: the prompt is longer than the model reads. ``typed``: somebody wrote a control token.
``hang``: the answer begins and never ends. ``die``: the process ends in the middle of the answer. ``wait``: a
load says first whose the device is.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

MODE = os.environ.get("FAKE_CHAT", "")
SHARES = [0.2, 0.5, 0.3]
DONE: dict[str, dict[str, Any]] = {
    "load": {
        "device": "cpu", "precision": "fp32", "slot": "cpu-0", "seconds": 0.5, "parameters": 1000,
        "weights_bytes": 4000, "peak_memory_bytes": None, "positions": 100, "chat_template": True,
    },
    "render": {
        "pieces": [["<s>", True], ["the \x1b[31mprompt", False]], "tokens": 9, "positions": 100,
        "findings": [],
    },
    "generate": {
        "text": "entail\x07ment", "label": "entailment", "tokens": 4, "prompt_tokens": 9, "seconds": 0.2,
        "first_token_seconds": 0.1, "tokens_per_second": 30.0, "ended": "limit", "peak_memory_bytes": 2048,
        "notes": ["a note"],
    },
    "score": {
        "log_likelihoods": [-3.0, -2.0, -2.5], "raw": SHARES, "calibrated": SHARES[::-1], "notes": ["a note"],
    },
    "demonstrate": {
        "examples": [
            {"id": "s1", "premise": "a", "hypothesis": "b", "label": 2, "genre": None, "annotator_labels": []}
        ]
    },
}  # fmt: skip

CHANGED: dict[str, dict[str, Any]] = {
    "long": {"tokens": 150},
    "typed": {"pieces": [["<s>", True], ["It says <s> here.", False]], "only_text": ["<s>"]},
}
"""What a prompt is rendered to instead, by mode."""


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)

        def say(event: str, id: int = request["id"], **fields: Any) -> None:
            print(json.dumps({"id": id, "event": event, **fields}), flush=True)

        if request["op"] == "load" and MODE == "wait":
            say("waiting", what="a CPU slot", holder="run-7")
        if request["op"] == "generate":
            say("text", text="entail\x07")
            if MODE == "hang":
                Path(os.environ["FAKE_CHAT_PID"]).write_text(str(os.getpid()))
                signal.pause()
            if MODE == "die":
                os._exit(7)
            say("text", text="ment")
        done = DONE[request["op"]]
        if request["op"] == "render":
            done |= CHANGED.get(MODE, {})
        say("done", **done)


if __name__ == "__main__":
    main()
