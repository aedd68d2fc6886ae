"""What the methods share that train nothing: they ask a model as it is, and score what it says."""

from typing import Any, Literal

from nli_console.methods.base import Hyperparameters, hyperparameter


class ScoringHyperparameters(Hyperparameters):
    """How the pairs are put to the model, and what becomes of its likelihoods."""

    template: str = hyperparameter("recommended", "prompt template, by name", group="prompt")
    shots: int = hyperparameter(
        0,
        "solved training pairs before the question, with balanced labels",
        group="prompt",
        unit="pairs",
        ge=0,
        le=256,
    )
    calibration: Literal["none", "contextual", "batch"] = hyperparameter(
        "none",
        "divide by what the labels get anyway: from pairs without content, or on average over the split",
        group="scoring",
    )
    batch_size: int = hyperparameter(
        32, "examples in one forward pass", group="scoring", unit="examples", ge=1, le=4096
    )
    max_length: int = hyperparameter(
        2048, "prompts longer than this have their pair cut", group="input", unit="tokens", ge=8, le=131072
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = hyperparameter(
        "auto", "arithmetic of the forward pass; auto is bf16 where the hardware has it", group="hardware"
    )

    def pace(self) -> dict[str, Any]:
        """What the time of a row depends on, beside model, data and machine."""
        return {"shots": self.shots}
