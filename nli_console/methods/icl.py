"""In-context learning: a language model is asked with a prompt, with or without solved pairs in it."""

from typing import TYPE_CHECKING, Any, Literal

from nli_console.methods.base import Method, ModelLoader, ParameterCounts, TrainingPlan, hyperparameter
from nli_console.methods.padding import AUTO
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.methods.qlora import quantised_modules, unpacked, unquantised_names

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes


class IclHyperparameters(ScoringHyperparameters):
    """Label likelihoods by default: every answer is valid, and nothing is drawn by chance."""

    scorer: Literal["likelihood", "generation"] = hyperparameter(
        "likelihood",
        "compare how likely the label words are, or let the model write and read it",
        group="scoring",
    )
    max_new_tokens: int = hyperparameter(
        10, "tokens that the model may write", group="generation", unit="tokens", ge=1, le=1024
    )
    temperature: float = hyperparameter(
        0.0, "0 takes the likeliest token; above, tokens are drawn", group="generation", ge=0, le=10
    )
    top_p: float = hyperparameter(
        1.0, "draw from the likeliest tokens that make up this share", group="generation", gt=0, le=1
    )
    top_k: int = hyperparameter(
        0,
        "draw from this many likeliest tokens; 0 from all",
        group="generation",
        unit="tokens",
        ge=0,
        le=10**6,
    )
    quantisation: Literal["none", "8-bit", "nf4"] = hyperparameter(
        "none", "how the weights are stored, the head excepted", group="hardware"
    )
    pad_token: str = hyperparameter(
        AUTO,
        f"token that fills short rows; {AUTO} takes one that never occurs in text",
        group="input",
        advanced=True,
    )

    def pace(self) -> dict[str, Any]:
        written = {"max_new_tokens": self.max_new_tokens} if self.scorer == "generation" else {}
        return super().pace() | {"scorer": self.scorer, "quantisation": self.quantisation} | written

    def conflicts(self) -> list[tuple[str, str]]:
        found = super().conflicts()
        if self.scorer == "generation" and self.calibration != "none":
            found.append(("calibration", "needs likelihoods, but --scorer is generation; use none"))
        drawing = self.scorer == "generation" and self.temperature > 0
        if not drawing and (self.top_p < 1 or self.top_k):
            name = "top_p" if self.top_p < 1 else "top_k"
            found.append((name, "needs --scorer generation and a --temperature above 0"))
        if self.scorer == "likelihood" and self.temperature:
            found.append(("temperature", "needs --scorer generation; label likelihoods draw nothing"))
        return found


class Icl(Method):
    position = 80
    name = "icl"
    title = "In-context learning"
    summary = "asks a language model with a prompt, with zero or more solved pairs; trains nothing"
    reference = "Brown et al. 2020, arXiv 2005.14165"
    family = "decoder"
    product = None
    Hyperparameters = IclHyperparameters
    task = "causal"
    trains = False
    report_accuracy = 0.4842

    def build(self, loader: ModelLoader, hyperparameters: IclHyperparameters) -> "Module":
        options: dict[str, Any] = {"dtype": loader.compute_dtype}
        if hyperparameters.quantisation != "none":
            from transformers import BitsAndBytesConfig

            options["quantization_config"] = BitsAndBytesConfig(
                load_in_8bit=hyperparameters.quantisation == "8-bit",
                load_in_4bit=hyperparameters.quantisation == "nf4",
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=loader.compute_dtype,
                llm_int8_skip_modules=unquantised_names(loader.shapes("causal")),
            )
        return unpacked(loader.causal(**options).requires_grad_(False))

    def count(self, shapes: "ModelShapes", hyperparameters: IclHyperparameters) -> ParameterCounts:
        return ParameterCounts(trainable=0, total=shapes.total)

    def plan(self, shapes: "ModelShapes", hyperparameters: IclHyperparameters) -> TrainingPlan:
        stored = hyperparameters.quantisation
        return TrainingPlan(
            quantised=frozenset() if stored == "none" else quantised_modules(shapes),
            quantised_bits=8 if stored == "8-bit" else 4,
            double_quantised=True,
            frozen_in_precision=True,
        )
