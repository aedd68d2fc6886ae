"""What a chat costs beside the model: tokens per second, and the time until the first token.

Tokens per second: the chat's answer (streamed, measured, stoppable) against a plain `generate` with the
library's own streamer, on the same model in this process, in turns; the median of the ratios. Budget: 0.95 or
more.
The first token: from asking until its text is here, through the engine's process, on the demo decoder.

    python benchmarks/chat.py [--tokens 200] [--rounds 9] [--questions 20] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM, TextStreamer

from nli_console.data.chat import Generate, Load, Question, Sampling
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import catalogue
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.chat import Chat, is_last
from nli_console.supervisor.lease import FOLDER_VARIABLE
from nli_console.worker.chat.answer import answer
from nli_console.worker.chat.asking import Asker
from nli_console.worker.models import load_tokenizer
from nli_console.worker.stop import StopFlag

QUESTION = Question(
    template=catalogue.load("demo"),
    premise="All the nurses are in the kitchen.",
    hypothesis="A nurse is indoors.",
)


class Silent(TextStreamer):
    """The library's streamer without its printing."""

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        return


def plain(model: Any, tokenizer: Any, ids: list[int], tokens: int) -> float:
    """Seconds of a plain `generate` with a streamer, greedy."""
    inputs = torch.tensor([ids])
    config = GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    begun = time.perf_counter()
    with torch.inference_mode():
        written = model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            generation_config=config,
            streamer=Silent(tokenizer, skip_prompt=True, skip_special_tokens=True),
        )
    seconds = time.perf_counter() - begun
    assert written.shape[1] == len(ids) + tokens
    return seconds


def streamed(model: Any, tokenizer: Any, ids: list[int], tokens: int) -> float:
    """Seconds of the chat's answer, its events written to a file as they are to a pipe."""
    begun = time.perf_counter()
    with open(os.devnull, "w") as sink:

        def tell(event: str, **fields: Any) -> None:
            sink.write(json.dumps({"id": 1, "event": event, **fields}) + "\n")
            sink.flush()

        written = answer(
            model, tokenizer, ids, [], Sampling(max_new_tokens=tokens), None,
            tell=tell, flag=StopFlag(), started=begun,
        )  # fmt: skip
    assert written.tokens == tokens
    return time.perf_counter() - begun


def rates(model: Any, tokenizer: Any, tokens: int, rounds: int) -> dict[str, float]:
    """Tokens per second of both, and the median of the ratios of neighbours."""
    ids = Asker(tokenizer, "benchmark").ask(QUESTION).input_ids
    model.generation_config = GenerationConfig()
    pairs: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        order = (plain, streamed) if number % 2 else (streamed, plain)
        found = {each: each(model, tokenizer, ids, tokens) for each in order}
        if number:
            # The first round warms up.
            pairs.append((found[plain], found[streamed]))
    return {
        "plain, tokens/s": tokens / statistics.median(one for one, _ in pairs),
        "chat, tokens/s": tokens / statistics.median(other for _, other in pairs),
        "ratio": statistics.median(one / other for one, other in pairs),
    }


def first_tokens(questions: int) -> dict[str, float]:
    """Milliseconds from asking to the first text, through the process and its pipes."""
    heard: SimpleQueue[tuple[float, events.Event]] = SimpleQueue()
    chat = Chat(lambda event: heard.put((time.perf_counter(), event)))

    def over(id: int) -> float | None:
        """When the first fragment came, once the request is over."""
        first = None
        while True:
            moment, event = heard.get()
            if isinstance(event, events.Failed):
                raise SystemExit(event.message)
            if isinstance(event, events.Fragment) and event.id == id:
                first = first or moment
            if is_last(event) and event.id == id:  # type: ignore[union-attr]
                return first

    try:
        begun = time.perf_counter()
        over(chat.ask(Load(model=str(demo_model_path("decoder")), model_name="demo-decoder")))
        loaded = time.perf_counter() - begun
        times: list[float] = []
        for _ in range(questions + 1):
            begun = time.perf_counter()
            first = over(chat.ask(Generate(prompt=QUESTION)))
            assert first is not None
            times.append(1000 * (first - begun))
    finally:
        chat.close()
    return {
        "start and load, s": loaded,
        "first question, ms": times[0],
        "first token, ms, median": statistics.median(times[1:]),
        "first token, ms, worst": max(times[1:]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = demo_model_path("decoder")
    tokenizer: Any = load_tokenizer(folder, "demo-decoder")
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=512, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=4, intermediate_size=1408, max_position_embeddings=2048,
    )  # fmt: skip
    models = {
        "demo-decoder": AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        "Llama, hidden 512, 8 layers": LlamaForCausalLM(config),
    }
    found = {
        name: rates(model.eval(), tokenizer, options.tokens, options.rounds) for name, model in models.items()
    }
    with tempfile.TemporaryDirectory(prefix="nli-console-chat-") as leases:
        os.environ[FOLDER_VARIABLE] = leases
        found["through the engine"] = first_tokens(options.questions)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, figures in found.items():
            print(name)
            print("\n".join(f"  {what:28} {value:8.2f}" for what, value in figures.items()))
    return 0 if all(figures.get("ratio", 1) >= 0.95 for figures in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
