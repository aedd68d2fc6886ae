"""Samples per second of training an encoder: a run's trainer, the library's, and the report's recipe.

All sides train the same model from the same weights on the same rows, in turns, round after round; the
first steps of each are not counted. `ours` is the trainer of a run with everything that it records and
watches; `plain` is the library's Trainer with the same batches, row by row, and the same optimiser;
`report` is its Trainer as the report's notebook had it: 4 rows a pass, 4 passes a step, fp32, padded to the
longest row of a pass, in random order.

On a CPU processor time is compared, because on a shared machine elapsed time measures the others, too.
`--rows spread` draws random pairs whose lengths spread as those of real corpora do (log-normal); the
demo's are short and alike. With `--precision bf16` ours and plain compute in it; the report's recipe stays
in fp32. Of a large model on a GPU the share of the chip's bf16 peak is told: 6 operations per parameter
and token, and 12 × layers × width × length of the attention.

Budgets: ours at least 1.3 × the report's recipe and 0.98 × the library's trainer.

    python benchmarks/training.py [--model demo-encoder | roberta-128 | roberta-large] [--rows demo | spread]
        [--steps 60] [--rounds 5] [--batch-size 32] [--precision fp32 | bf16] [--peak-tflops 989] [--json]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    RobertaConfig,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decoders import SEED, demo_rows
from nli_console.data.demo import demo_model_path
from nli_console.data.spec import LABELS
from nli_console.methods.full import Full
from nli_console.record.layout import RunLayout
from nli_console.worker.attempt import Attempt
from nli_console.worker.batches import Batcher
from nli_console.worker.callbacks import RunCallback
from nli_console.worker.checkpoints import Sealer
from nli_console.worker.device import Device, choose_device
from nli_console.worker.figures import Figures
from nli_console.worker.guards import Guards
from nli_console.worker.models import OWN_ORDER, LabelOrder, load_tokenizer
from nli_console.worker.recorder import Recorder
from nli_console.worker.sampler import EpochSampler
from nli_console.worker.selection import Selection
from nli_console.worker.stop import StopFlag
from nli_console.worker.tokenise import Tokenised, Tokeniser
from nli_console.worker.train import StepCount, make_trainer

UNCOUNTED = 5
SHAPES = {
    "roberta-128": {
        "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512,
    },
    "roberta-large": {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
    },
}  # fmt: skip
"""Shapes that get random weights and RoBERTa's vocabulary: those cost the same and know nothing."""
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "4090": 165.0}
"""Dense bf16 TFLOP/s by the makers' data sheets."""
SIDES = ("ours", "plain", "report")


@dataclass(frozen=True)
class Work:
    """What is trained, on what."""

    model: Any
    tokens: Tokenised
    labels: list[int]
    examples: list[Any]
    tokenizer: Any
    device: Device
    batch_size: int
    folder: Path


class Clock(TrainerCallback):
    """Times from one counted step to the last."""

    def __init__(self, device: Device, last: int) -> None:
        self._device = device
        self._last = last
        self._begun = 0.0
        self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (UNCOUNTED, self._last):
            if self._device.cuda:
                torch.cuda.synchronize()
            now = time.perf_counter() if self._device.cuda else time.process_time()
            self.seconds = now - self._begun
            self._begun = now


class SameOrder(Trainer):
    """The library's Trainer over the order of a run: other batches have more or fewer tokens."""

    def __init__(self, *args: Any, sampler: EpochSampler, **kwargs: Any) -> None:
        self._sampler = sampler
        super().__init__(*args, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self._sampler


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """The rows as the library's trainer takes them."""

    def __init__(self, work: Work) -> None:
        offsets, ids = work.tokens.offsets, work.tokens.input_ids
        self._rows = [ids[offsets[row] : offsets[row + 1]].tolist() for row in range(len(work.labels))]
        self._labels = work.labels

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        return {"input_ids": row, "attention_mask": [1] * len(row), "labels": self._labels[index]}


def hyperparameters(work: Work, steps: int) -> Any:
    return Full.Hyperparameters(
        batch_size=work.batch_size, max_steps=steps, learning_rate=1e-5, evaluations=0, max_length=512
    )


def ours(work: Work, model: Any, steps: int, clock: Clock) -> int:
    """Train as a run does; return samples per step."""
    layout = RunLayout(work.folder / f"run-{time.monotonic_ns()}")
    layout.attempt(1).path.mkdir(parents=True)
    layout.checkpoints.mkdir()
    recorder, stop = Recorder(layout.attempt(1)), StopFlag()
    guards = Guards(recorder, stop)
    guards.precision = work.device.precision
    attempt = Attempt(layout, 1, recorder, Figures(), stop, guards)
    selection, count = Selection(layout.checkpoints, 0), StepCount()
    callback = RunCallback(
        attempt, selection, Sealer(layout, 1, lambda: None), count,
        evaluations=0, patience=0, evaluate=None, start_fields={"labels": list(LABELS)},
    )  # fmt: skip
    batcher = Batcher(
        work.tokens,
        work.examples,
        LabelOrder(OWN_ORDER, known=True),
        work.tokenizer.pad_token_id,
        work.device,
    )
    settings = hyperparameters(work, steps)
    trainer = make_trainer(
        model, batcher, work.tokens.lengths, settings, layout, SEED, work.device, callback, count
    )
    trainer.add_callback(clock)
    trainer.train()
    recorder.close()
    return work.batch_size


def library(work: Work, model: Any, steps: int, clock: Clock, *, report: bool) -> int:
    """Train with the library's Trainer; return samples per step."""
    batch, passes = (4, 4) if report else (work.batch_size, 1)
    arguments = TrainingArguments(
        output_dir=str(work.folder / "plain"),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=passes,
        max_steps=steps,
        learning_rate=1e-5,
        weight_decay=0.01,
        train_sampling_strategy="random",
        bf16=not report and work.device.precision == "bf16",
        use_cpu=not work.device.cuda,
        logging_steps=10 if report else 1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
        log_level="error",
    )
    parts: dict[str, Any] = {
        "model": model,
        "args": arguments,
        "train_dataset": Rows(work),
        "data_collator": DataCollatorWithPadding(
            work.tokenizer, pad_to_multiple_of=None if report else work.device.width_multiple
        ),
        "callbacks": [clock],
    }
    lengths = work.tokens.lengths
    trainer = (
        Trainer(**parts)
        if report
        else SameOrder(**parts, sampler=EpochSampler(len(lengths), work.batch_size, SEED, lengths))
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return batch * passes


def samples_per_second(work: Work, side: str, steps: int) -> float:
    torch.manual_seed(SEED)
    model = AutoModelForSequenceClassification.from_config(work.model.config)
    model.load_state_dict(work.model.state_dict())
    last = steps - 1  # the last step also saves a checkpoint
    clock = Clock(work.device, last)
    if side == "ours":
        samples = ours(work, model, steps, clock)
    else:
        samples = library(work, model, steps, clock, report=side == "report")
    return samples * (last - UNCOUNTED) / clock.seconds


def prepare(options: argparse.Namespace, folder: Path) -> Work:
    tokenizer = load_tokenizer(demo_model_path("encoder"), "demo-encoder")
    examples = demo_rows().train.examples
    if options.model == "demo-encoder":
        model = AutoModelForSequenceClassification.from_pretrained(demo_model_path("encoder"), num_labels=3)
    else:
        config = RobertaConfig(
            vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1, num_labels=3,
            pad_token_id=tokenizer.pad_token_id, **SHAPES[options.model],
        )  # fmt: skip
        torch.manual_seed(SEED)
        model = AutoModelForSequenceClassification.from_config(config)
    tokens = Tokeniser(tokenizer, demo_model_path("encoder"), 512, folder, 10**9).split(
        examples, lambda *_: None
    )
    if options.rows == "spread":
        widest = int(model.config.max_position_embeddings) - 2
        tokens = spread(len(examples), min(widest, 256), len(tokenizer))
    order = LabelOrder(OWN_ORDER, known=True)
    labels = [order.to_model[row.label] for row in examples]
    return Work(
        model,
        tokens,
        labels,
        examples,
        tokenizer,
        choose_device(options.precision),
        options.batch_size,
        folder,
    )


def spread(rows: int, widest: int, vocabulary: int) -> Tokenised:
    """Random tokens in rows whose lengths are log-normal with a median of 35."""
    generator = numpy.random.default_rng(SEED)
    lengths = numpy.clip(generator.lognormal(numpy.log(35), 0.5, rows), 8, widest).astype(numpy.int64)
    offsets = numpy.concatenate([[0], numpy.cumsum(lengths)])
    ids = generator.integers(5, vocabulary, int(offsets[-1])).astype(numpy.int32)
    return Tokenised(ids, offsets, None, 0)


def peak_share(work: Work, samples: float, peak: float | None) -> float | None:
    """Share of the chip's bf16 peak that so many samples a second are."""
    if not work.device.cuda:
        return None
    name = work.device.title
    peak = peak or next((value for chip, value in PEAKS.items() if chip in name), None)
    if peak is None:
        return None
    config = work.model.config
    dense = sum(each.numel() for name, each in work.model.named_parameters() if "embeddings" not in name)
    length = float(work.tokens.lengths.mean())
    per_token = 6 * dense + 12 * config.num_hidden_layers * config.hidden_size * length
    return samples * length * per_token / (peak * 1e12)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=["demo-encoder", *SHAPES], default="demo-encoder")
    parser.add_argument("--rows", choices=["demo", "spread"], default="demo")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--peak-tflops", type=float, help="of the chip in bf16, where its name is not known")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="nli-console-training-") as name:
        work = prepare(options, Path(name))
        rates: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side in SIDES:
                rates[side].append(samples_per_second(work, side, options.steps))
    medians = {side: statistics.median(values) for side, values in rates.items()}
    ratios = {
        side: statistics.median(a / b for a, b in zip(rates["ours"], rates[side], strict=True))
        for side in SIDES[1:]
    }
    shares = {side: peak_share(work, medians[side], options.peak_tflops) for side in SIDES}
    lengths = work.tokens.lengths
    found = {
        "model": options.model,
        "rows": options.rows,
        "tokens per row": [float(lengths.mean()), int(lengths.max())],
        "batch_size": options.batch_size,
        "precision": work.device.precision,
        "device": work.device.title,
        "samples_per_second": medians,
        "ours_against": ratios,
        "share_of_bf16_peak": shares,
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print(
        f"{options.model}, {options.rows} rows of {lengths.mean():.0f} tokens (at most {lengths.max()}), "
        f"batches of {options.batch_size}, {work.device.precision}, {work.device.title}, "
        f"{torch.get_num_threads()} threads"
    )
    for side in SIDES:
        share = "" if shares[side] is None else f"   {100 * shares[side]:.1f} % of the bf16 peak"
        against = "" if side == "ours" else f"   ours is {ratios[side]:.2f} × that"
        print(f"  {side:8}{medians[side]:10.1f} samples/s{against}{share}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
