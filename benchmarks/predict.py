"""Predictions of a file: rows per second beside an evaluation of the same rows, and memory beside its length.

`python -m benchmarks.predict`: each measurement is a process of its own with the demo encoder, under a random
head, on one thread. `--rows 4000` is the shorter file; the longer one has ten times as many pairs.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TEXT = "the a man woman dog cat child is was not walking running sleeping eating under park house red"
WORDS = _TEXT.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(*given.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _classifier(place / "model")
        for name, rows in (("short", given.rows), ("long", 10 * given.rows)):
            _write_pairs(place / f"{name}.csv", rows)
        measured: dict[tuple[str, str], tuple[float, int]] = {}
        for what, name in (("predict", "short"), ("evaluate", "short"), ("predict", "long")):
            measured[what, name] = _measure(place, what, name)
            speed, peak = measured[what, name]
            print(f"{what:8} {name:5}  {speed:8,.0f} rows/s  peak {peak / 1024**2:,.0f} MiB", flush=True)
    speed, evaluated = (measured[what, "short"][0] for what in ("predict", "evaluate"))
    print(f"predict has {speed / evaluated:.2f} × the rows per second of scoring the same rows at once")
    short, long = (measured["predict", name][1] for name in ("short", "long"))
    print(f"ten times the rows take {(long - short) / 1024**2:+.0f} MiB of memory")


def _measure(place: Path, what: str, name: str) -> tuple[float, int]:
    """Rows per second without loading, and the process's peak resident bytes."""
    command = [sys.executable, "-m", "benchmarks.predict", "--child", what, str(place), name]
    threads = {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "NLI_CONSOLE_LEASE_DIR": str(place / "lease"),
    }
    done = subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True, text=True)
    speed, peak = done.stdout.split()[-2:]
    return float(speed), int(peak)


def _child(what: str, folder: str, name: str) -> None:
    place = Path(folder)
    speed = _predict(place, name) if what == "predict" else _evaluate(place, name)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(speed, peak)


def _predict(place: Path, name: str) -> float:
    from nli_console.record.answering import Choice, Prediction, find_answerer
    from nli_console.settings import load_settings
    from nli_console.worker.predict import predict
    from nli_console.worker.stop import StopFlag

    settings = load_settings(None, place / "runs")
    answerer = find_answerer(Choice(str(place / "model")), place / "runs", settings)
    request = Prediction(
        answerer=answerer, input=str(place / f"{name}.csv"), output=str(place / f"{name}.jsonl")
    )
    found = predict(request, lambda *_, **__: None, StopFlag())
    return found["rows"] / found["seconds"]


def _evaluate(place: Path, name: str) -> float:
    """As an evaluation scores a split: all rows in memory, sorted by length once."""
    import torch

    from nli_console.data.pairs import Pair, read_pairs
    from nli_console.data.spec import Example
    from nli_console.worker.batches import Batcher
    from nli_console.worker.device import Device
    from nli_console.worker.evaluate import LogitScorer
    from nli_console.worker.models import ModelLoader, load_config, load_tokenizer
    from nli_console.worker.tokenise import Tokeniser

    model_folder, device = place / "model", Device(torch.device("cpu"), "fp32")
    config, tokenizer = load_config(model_folder, "demo"), load_tokenizer(model_folder, "demo")
    pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]
    loader = ModelLoader(model_folder, "demo", config, pad)
    model = loader.classifier(dtype=torch.float32)
    started = time.perf_counter()
    rows = [
        Example("", pair.premise, pair.hypothesis, 0)
        for pair in read_pairs(place / f"{name}.csv")
        if isinstance(pair, Pair)
    ]
    tokens = Tokeniser(tokenizer, model_folder, 256, Path(), 0).fresh(rows)
    batcher = Batcher(tokens, rows, loader.labels, pad, device)
    for _ in LogitScorer(model, tokens, batcher, loader.labels, device, 64).batches():
        continue
    return len(rows) / (time.perf_counter() - started)


def _classifier(folder: Path) -> None:
    from nli_console.data.demo import demo_model_path
    from nli_console.worker.models import ModelLoader, load_config, load_tokenizer

    source = demo_model_path("encoder")
    tokenizer = load_tokenizer(source, "demo")
    loader = ModelLoader(source, "demo", load_config(source, "demo"), None)
    loader.classifier().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_pairs(path: Path, rows: int) -> None:
    chance = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("premise", "hypothesis"))
        for _ in range(rows):
            texts = (" ".join(chance.choices(WORDS, k=chance.randint(4, high))) for high in (24, 10))
            writer.writerow(tuple(texts))


if __name__ == "__main__":
    main()
