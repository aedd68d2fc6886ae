"""From launching to the first training step that can be read: a plain script, a cold and a warm launch.

The plain script is what one would write with transformers alone: read rows, tokenise them, load the model,
`Trainer.train()`. All three train the demo encoder on the same rows in the same batches on the CPU, in turns.
A launch composes, submits and starts the run, and ends when the record of its first step can be read. Rows
are tokenised already, as for whoever trains twice. `--fresh` throws that away before each launch. `--light`
warms only what is warmed where there is a GPU.

Budgets: cold at most 1 s more than the plain script, warm at most 0.3 × its time.

    python benchmarks/launch.py [--rounds 5] [--fresh] [--light] [--json]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nli_console.data.demo.paths import demo_corpus_path, demo_model_path
from nli_console.record.compose import Draft, compose
from nli_console.record.layout import RunLayout
from nli_console.settings import LoadedSettings, load_settings
from nli_console.supervisor import actions
from nli_console.supervisor.launch import start_all
from nli_console.supervisor.standby import WARM_VARIABLE
from nli_console.supervisor.warm_start import WarmStart

PLAIN = """
import json, sys
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainerCallback,
    TrainingArguments,
)
model_path, data, folder = sys.argv[1:]
NAMES = {"entailment": 0, "neutral": 1, "contradiction": 2}
rows = [json.loads(line) for line in open(data)]
rows = [row for row in rows if row["gold_label"] in NAMES]
tokenizer = AutoTokenizer.from_pretrained(model_path)
encoded = tokenizer(
    [row["sentence1"] for row in rows], [row["sentence2"] for row in rows], truncation=True, max_length=64
)
class Rows(Dataset):
    def __len__(self):
        return len(rows)
    def __getitem__(self, index):
        item = {name: values[index] for name, values in encoded.items()}
        return {**item, "labels": NAMES[rows[index]["gold_label"]]}
class First(TrainerCallback):
    def on_step_end(self, *_, **__):
        print("first step", flush=True)
model = AutoModelForSequenceClassification.from_pretrained(model_path, num_labels=3)
arguments = TrainingArguments(
    output_dir=folder, per_device_train_batch_size=32, learning_rate=5e-4, num_train_epochs=2, use_cpu=True,
    report_to="none", disable_tqdm=True, save_strategy="no", seed=1,
)
Trainer(
    model=model, args=arguments, train_dataset=Rows(), data_collator=DataCollatorWithPadding(tokenizer),
    callbacks=[First()],
).train()
"""
LIGHT = (
    "import nli_console.worker.warm as warm, sys; from pathlib import Path; warm._DRIVER = Path('/'); "
    "sys.exit(warm.main())"
)
"""A warm worker that believes that there is a driver."""


def plain(settings: LoadedSettings, folder: Path) -> float:
    """Seconds from starting the script to its first step."""
    train = next(demo_corpus_path(settings.cache_dir).rglob("*train.jsonl"))
    begun = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            PLAIN,
            str(demo_model_path("encoder")),
            str(train),
            str(folder / "plain"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    took = time.perf_counter() - begun
    process.kill()
    process.wait()
    if not line:
        raise SystemExit("the plain script ended before its first step")
    return took


def launched(settings: LoadedSettings, warm: WarmStart | None) -> float:
    """Seconds from composing the run to the record of its first step."""
    begun = time.perf_counter()
    draft = Draft(
        method="full",
        preset="demo/full",
        model="demo-encoder",
        data="demo",
        fraction=1.0,
        seed=1,
        launcher="tui",
    )
    (layout,) = start_all(settings.runs_dir, [compose(draft, settings)], "session", warm=warm)
    metrics = layout.attempt(1).metrics
    while not (metrics.exists() and b'"train"' in metrics.read_bytes()):
        if layout.attempt(1).result.exists():
            raise SystemExit(f"the run ended: {layout.attempt(1).console_log.read_text()[-2000:]}")
        time.sleep(0.005)
    took = time.perf_counter() - begun
    end(layout)
    return took


def end(layout: RunLayout) -> None:
    actions.stop(layout, "benchmark", kill=True)
    while not layout.attempt(1).result.exists():
        time.sleep(0.05)
    shutil.rmtree(layout.path)


def cold(settings: LoadedSettings) -> float:
    return launched(settings, None)


def warmed(settings: LoadedSettings) -> float:
    warm = WarmStart({})
    while not warm.ready:
        if warm.ended:
            raise SystemExit("the warm worker ended before it was ready")
        time.sleep(0.05)
    return launched(settings, warm)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fresh", action="store_true", help="tokenise before every launch")
    parser.add_argument("--light", action="store_true", help="warm as where there is a GPU")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.light:
        os.environ[WARM_VARIABLE] = f'{sys.executable} -P -c "{LIGHT}"'
    with tempfile.TemporaryDirectory(prefix="nli-console-launch-") as name:
        folder = Path(name)
        os.environ |= {"XDG_CACHE_HOME": str(folder), "NLI_CONSOLE_LEASE_DIR": str(folder / "leases")}
        os.environ |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        (folder / "leases").mkdir(mode=0o700)
        settings = load_settings(runs_dir=folder / "runs", cwd=folder)
        cold(settings)
        sides: dict[str, Callable[[], float]] = {
            "plain": lambda: plain(settings, folder),
            "cold": lambda: cold(settings),
            "warm": lambda: warmed(settings),
        }
        measured: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(options.rounds):
            for side, measure in sides.items():
                if options.fresh:
                    shutil.rmtree(settings.cache_dir / "tokenised", ignore_errors=True)
                measured[side].append(measure())
    medians = {side: statistics.median(times) for side, times in measured.items()}
    found = {
        side: {"seconds": seconds, "ratio": seconds / medians["plain"], "more": seconds - medians["plain"]}
        for side, seconds in medians.items()
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for side, row in found.items():
        print(f"{side:6}{row['seconds']:8.2f} s{row['ratio']:8.2f} ×{row['more']:+8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
