"""Checks of learning rate and batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check


@dataclass(frozen=True)
class Rates:
    """Learning rates with which a method is known to learn, and one to start from."""

    low: float
    high: float
    start: str


SANE_RATES: Mapping[str, Rates] = {
    "full": Rates(3e-6, 6e-5, "1e-5"),
    "head": Rates(1e-4, 1e-1, "1e-3"),
    "top_layers": Rates(3e-6, 1e-4, "2e-5"),
    "lora": Rates(5e-5, 2e-3, "3e-4"),
    "p_tuning": Rates(3e-4, 5e-2, "1e-3"),
    "prefix_tuning": Rates(1e-3, 5e-2, "1e-2"),
    "qlora_sft": Rates(5e-5, 1e-3, "2e-4"),
    "qlora_classifier": Rates(3e-5, 1e-3, "1e-4"),
}
"""For models of 50 million parameters and more."""

LARGE_MODEL = 50_000_000
SMALL_MODEL_FACTOR = 20
"""How much higher the rates of small models may be: their weights are larger and fewer."""

LEAST_BATCH, MOST_BATCH = 8, 512
LEAST_STEPS = 20


@check(
    "learning_rate",
    "warning",
    "a learning rate outside the method's sane range",
    "The report's P-tuning at 3e-5 never left the loss of guessing (1.0986) and reached 47 %; full "
    "fine-tuning at 1e-3 forgets what pre-training taught and collapses to one class.",
)
def learning_rate(context: CheckContext) -> Iterator[Problem]:
    rate, rates = context.value("learning_rate"), SANE_RATES.get(context.method.name)
    if rate is None or rates is None:
        return
    # Without the model's size only what is wrong at every size is said.
    small = context.shapes is None or context.shapes.total < LARGE_MODEL
    high = rates.high * (SMALL_MODEL_FACTOR if small else 1)
    if not rates.low <= rate <= high:
        word = "below" if rate < rates.low else "above"
        yield Problem(
            f"learning_rate {rate:g} is {word} what {context.method.title} learns with; expected "
            f"{rates.low:g}…{high:g}",
            f"--learning-rate {rates.start}",
            "learning_rate",
        )


@check(
    "effective_batch",
    "warning",
    "an effective batch that is very small, very large or large for the rows",
    "Fine-tuning large encoders at batch 4 without a long warm-up often ends in one constant class "
    "(accuracy 35 %); published recipes use 16 to 128. Fewer than 20 steps an epoch hardly train at all.",
)
def effective_batch(context: CheckContext) -> Iterator[Problem]:
    size, passes = context.value("batch_size"), context.value("gradient_accumulation_steps")
    if size is None or passes is None:
        return
    effective = size * passes
    shown = f"effective batch {effective} (batch_size {size} × {passes} accumulated)"
    if effective < LEAST_BATCH:
        yield Problem(
            f"{shown} is very small; expected {LEAST_BATCH} or more",
            f"--gradient-accumulation-steps {-(-32 // size)} makes it {size * -(-32 // size)} without more "
            "memory",
            "gradient_accumulation_steps",
        )
    elif effective > MOST_BATCH and context.method.name != "head":
        yield Problem(
            f"{shown} is very large; expected {MOST_BATCH} or less",
            "--batch-size 32 --gradient-accumulation-steps 1, or a higher learning rate",
            "batch_size",
        )
    rows = None if context.data is None else context.data.train_rows
    if rows is not None and effective > LEAST_BATCH and rows < LEAST_STEPS * effective:
        yield Problem(
            f"{shown} makes {-(-rows // effective)} steps of an epoch over {rows:,} training rows; expected "
            f"{LEAST_STEPS} or more",
            "a smaller batch, more epochs or a larger --fraction",
            "batch_size",
        )
