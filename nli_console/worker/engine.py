"""``python -m nli_console.worker engine``: answers questions of a console about models and data.

One JSON object a line, in and out. A question is ``{id, model, task, data, seed, template, pad_token,
shots, trains, cache_dir}``; each answer to it repeats the id and holds everything known so far, and the
last one says ``done: true``. The process leaves when its standard input closes, which it does when the
console ends in any way. It uses no GPU and no network.
"""

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.text import clean_line

_QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def main() -> int:
    """Answer until standard input closes."""
    os.environ.update(_QUIET)
    # What a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    questions: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_listen, args=(questions,), name="engine-questions", daemon=True).start()
    from nli_console.worker.engine_facts import Facts

    facts = Facts()
    while True:
        question = questions.get()
        try:
            for answer in facts.answer(question):
                _say(answers, {"id": question["id"], **answer, "done": False})
            _say(answers, {"id": question["id"], "done": True})
        except Exception as error:
            text = str(error) if isinstance(error, ConsoleError) else f"{type(error).__name__}: {error}"
            _say(answers, {"id": question["id"], "problem": clean_line(text, limit=300), "done": True})


def _listen(questions: "SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        questions.put(json.loads(line))
    # Nobody is left to answer, whatever is being computed.
    os._exit(0)


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
