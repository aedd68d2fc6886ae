"""What can be said of an evaluate-only run before it is launched: counts, and the memory of scoring."""

from typing import Any

from nli_console.methods import registry
from nli_console.methods.base import Method, ParameterCounts
from nli_console.methods.checks import CheckContext
from nli_console.methods.estimate import Compute, MemoryEstimate
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.fields import require
from nli_console.methods.inference import Weights, evaluation_memory
from nli_console.methods.qlora import quantised_modules
from nli_console.methods.shapes import ModelShapes
from nli_console.record.spec import Evaluated


def maker(evaluated: Evaluated) -> Method:
    """The method that made the weights, or one whose weights are put together alike."""
    alike = "qlora_sft" if evaluated.task == "causal" else "lora" if evaluated.kind == "adapter" else "full"
    return registry.get(evaluated.method or alike)


def counts(method: Method, known: ModelShapes | None, evaluated: Evaluated) -> ParameterCounts | None:
    """Nothing is trained; of a run's adapter its parameters are counted too."""
    if known is None:
        return None
    if evaluated.method is None:
        return ParameterCounts(trainable=0, total=known.total)
    own = require(method.Hyperparameters, evaluated.hyperparameters)
    return ParameterCounts(trainable=0, total=method.count(known, own).total)


def memory(
    context: CheckContext,
    chosen: EvaluationHyperparameters,
    evaluated: Evaluated,
    total: int,
    compute: Compute,
    config: dict[str, Any],
) -> MemoryEstimate | None:
    """At the width of the longest row where it is known, else at the maximum length.

    Args:
        total: parameters, an adapter's included.
    """
    width, known = context.longest_input, context.shapes
    if known is None or width is None:
        return None
    if context.data is not None and context.data.longest is not None:
        width = min(width, context.data.longest)
    packed = chosen.quantisation != "none"
    weights = Weights(
        quantised_modules(known) if packed else frozenset(),
        wide=not packed and context.method.family == "encoder",
        added=total - known.total,
    )
    words = 0
    if evaluated.task == "causal":
        told = None if context.prompts is None else context.prompts.label_tokens
        words = max(map(len, (told or {}).values()), default=1)
    return evaluation_memory(known, weights, chosen, width, words, compute=compute, config=config)
