"""The hyperparameters of an evaluate-only run: it trains nothing, and takes the rest from what it scores."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from nli_console.methods.base import Hyperparameters, hyperparameter
from nli_console.methods.padding import AUTO

LABELS = ("entailment", "neutral", "contradiction")
"""As the data has them; this room does not know that one."""
EVALUATE = "evaluate"
"""What stands in the place of a method's name; it is none, for it makes no model."""


def _check_order(names: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(name.strip().lower() for name in names)
    if lowered and sorted(lowered) != sorted(LABELS):
        raise ValueError(f"must be {', '.join(LABELS)} in the order of the model's outputs, each once")
    return lowered


class EvaluationHyperparameters(Hyperparameters):
    """How existing weights are scored. Of a run, the defaults are what its own evaluation did."""

    label_order: Annotated[tuple[str, ...], AfterValidator(_check_order)] = hyperparameter(
        (),
        f"what the model's outputs mean, as {','.join(LABELS)}; empty takes the names in its config.json",
        group="labels",
    )
    template: str = hyperparameter(
        "", "prompt template by name; empty takes the one that the weights were trained with", group="prompt"
    )
    batch_size: int = hyperparameter(
        64, "examples in one forward pass", group="scoring", unit="examples", ge=1, le=8192
    )
    max_length: int = hyperparameter(
        256, "pairs longer than this are truncated", group="input", unit="tokens", ge=8, le=131072
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = hyperparameter(
        "auto", "arithmetic of the forward pass; auto is bf16 where the hardware has it", group="hardware"
    )
    quantisation: Literal["none", "nf4"] = hyperparameter(
        "none", "how the base model of an adapter is stored, the head excepted", group="hardware"
    )
    pad_token: str = hyperparameter(
        AUTO,
        f"token that fills short rows; {AUTO} takes one that never occurs in text",
        group="input",
        advanced=True,
    )

    def pace(self) -> dict[str, Any]:
        """What decides, beside model and rows, how long a row takes."""
        return {"quantisation": self.quantisation, "precision": self.precision}
