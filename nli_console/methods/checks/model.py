"""Checks of the model against the recipe."""

from collections.abc import Iterator

from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check
from nli_console.methods.evaluation import EvaluationHyperparameters

LEAST_TEXT = 32
"""Tokens that a pair of sentences needs at the very least."""


_ENCODERS = frozenset(
    {
        "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "eurobert",
        "longformer", "modernbert", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta",
        "xlm-roberta-xl",
    }
)  # fmt: skip
"""Types of models that read a text from both sides and write none."""


@check(
    "model_family",
    "error",
    "an encoder for a method that needs a decoder",
    "Prompts are answered, and their last token is read, by models that read from left to right; an encoder "
    "writes no text.",
)
def model_family(context: CheckContext) -> Iterator[Problem]:
    model = context.model
    if model is None or context.method.family != "decoder" or model.model_type not in _ENCODERS:
        return
    yield Problem(
        f"{model.name} is an encoder ({model.model_type}), and {context.method.name} is for decoders",
        "use lora, or a decoder such as demo-decoder or meta-llama/Meta-Llama-3-8B-Instruct",
        "model",
    )


@check(
    "label_order",
    "warning",
    "a model whose labels stand in another order, or are not named",
    "roberta-large-mnli has 0 = contradiction: read by position it scores about 7 %. Labels are read by "
    "name here; names such as LABEL_0 say nothing, so a new head is trained.",
)
def label_order(context: CheckContext) -> Iterator[Problem]:
    model = context.model
    if model is None or not model.classifier or not model.labels:
        return
    order = ", ".join(f"{index} = {name}" for index, name in enumerate(model.labels))
    expected = ", ".join(f"{index} = {name}" for index, name in enumerate(context.labels))
    if sorted(model.labels) == sorted(context.labels):
        if model.labels != context.labels:
            yield Problem(
                f"{model.name} has the labels {order}, other than ours ({expected}); they are mapped by name",
                "nothing to do here; map them by name wherever else this model is used",
                "model",
            )
    elif len(model.labels) == len(context.labels) and not evaluates(context):
        yield Problem(
            f"{model.name} has the labels {order}, which do not say which is which; expected {expected} in "
            "some order. A new head is trained in place of its own",
            "write id2label into the model's config.json if you know the order and want to keep its head",
            "model",
        )


def evaluates(context: CheckContext) -> bool:
    """Whether the recipe scores weights as they are."""
    return isinstance(context.hyperparameters, EvaluationHyperparameters)


@check(
    "label_names",
    "error",
    "a classifier to be evaluated whose labels are not ours, or not named",
    "An evaluation uses the head that is there, so it must be known which output means which label: "
    "roberta-large-mnli read by position scores about 7 %.",
)
def label_names(context: CheckContext) -> Iterator[Problem]:
    model = context.model
    if model is None or not evaluates(context) or context.method.product != "model":
        return
    shown = ", ".join(model.labels) or "none"
    if not model.classifier:
        yield Problem(
            f"{model.name} has no classification head",
            "name a classifier such as roberta-large-mnli or a run; train one with nli-console run full; or "
            "ask a language model with nli-console run icl",
            "model",
        )
    elif len(model.labels) != len(context.labels):
        yield Problem(
            f"{model.name} has {len(model.labels)} labels ({shown}); expected three: "
            f"{', '.join(context.labels)}",
            "name a classifier of all three labels",
            "model",
        )
    elif sorted(model.labels) != sorted(context.labels) and not context.value("label_order"):
        yield Problem(
            f"{model.name} has the labels {shown}, which do not say which is which",
            f"--label-order {','.join(context.labels)}, in the order of its model card",
            "label_order",
        )


@check(
    "positions",
    "warning",
    "a maximum length, with virtual tokens, beyond the model's positions",
    "RoBERTa has 512 positions: 30 virtual tokens and a pair of 512 tokens index beyond them. Pairs are cut "
    "to what is left.",
)
def positions(context: CheckContext) -> Iterator[Problem]:
    length, left = context.value("max_length"), context.text_positions
    if length is None or left is None or length <= left or left < LEAST_TEXT:
        return
    virtual = context.value("num_virtual_tokens") or 0
    added = f" and {virtual} virtual tokens" if virtual else ""
    yield Problem(
        f"max_length {length}{added} need {length + virtual} positions and {context.model_name} has "
        f"{left + virtual}; pairs are cut at {left} tokens",
        f"--max-length {left} or less",
        "max_length",
    )


@check(
    "virtual_tokens",
    "error",
    "virtual tokens that leave no room for the pair",
    "Virtual tokens take positions away from the text; what is left must hold a premise and a hypothesis.",
)
def virtual_tokens(context: CheckContext) -> Iterator[Problem]:
    virtual, left = context.value("num_virtual_tokens"), context.text_positions
    if virtual and left is not None and left < LEAST_TEXT:
        yield Problem(
            f"num_virtual_tokens {virtual} of {context.model_name}'s {left + virtual} positions leave "
            f"{max(left, 0)} for the pair; expected {LEAST_TEXT} or more",
            f"--num-virtual-tokens {max(left + virtual - 4 * LEAST_TEXT, 1)} or less",
            "num_virtual_tokens",
        )


@check(
    "head_quantised",
    "error",
    "a classification head that would be quantised",
    "A new head has to be trained, and 4-bit weights cannot be; for RoBERTa the library's own list leaves "
    "out only classifier.out_proj, so that classifier.dense becomes 4-bit and training fails.",
)
def head_quantised(context: CheckContext) -> Iterator[Problem]:
    if context.plan is None or context.shapes is None:
        return
    heads = [
        module.name
        for module in context.shapes.modules
        if module.size and context.shapes.in_head(module) and module.name in context.plan.quantised
    ]
    if heads:
        yield Problem(
            f"{', '.join(heads)} of {context.model_name} would be stored in 4 bits; expected the head in "
            "full precision",
            "keep the head out of the quantised modules",
            "model",
        )
