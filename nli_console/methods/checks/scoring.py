"""Checks of runs that ask a model as it is: demonstrations, masks, and how label words are compared."""

from collections.abc import Iterator

from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check

_OTHER_WORDS = "choose words that begin differently, such as True, Neither and False"


@check(
    "template_format",
    "error",
    "a prompt template for the other kind of model",
    "An encoder fills in a mask, and a language model goes on with a text: neither can be asked with a "
    "prompt of the other kind.",
)
def template_format(context: CheckContext) -> Iterator[Problem]:
    masked = context.method.task == "masked"
    if context.template_format is None or masked == (context.template_format == "masked"):
        return
    wanted = "a masked one, such as yes-maybe-no" if masked else "one for language models"
    yield Problem(
        f'template {context.value("template")} has the format "{context.template_format}", and '
        f"{context.method.name} needs {wanted}",
        f"--template {'yes-maybe-no' if masked else 'recommended'}, or another that fits",
        "template",
    )


@check(
    "mask_token",
    "error",
    "a model without a mask token",
    "The label word is filled in at a mask; a tokenizer that has none belongs to a model that was never "
    "trained to fill one in.",
)
def mask_token(context: CheckContext) -> Iterator[Problem]:
    if context.prompts is not None and context.prompts.mask_token is False:
        yield Problem(
            f"the tokenizer of {context.model_name} has no mask token; expected one that the template's "
            "mask can be",
            "use an encoder such as roberta-large, or icl for a language model",
            "model",
        )


@check(
    "mask_words",
    "error",
    "label words of several tokens at one mask",
    "A mask holds one token, so that a word of several can never be filled in.",
)
def mask_words(context: CheckContext) -> Iterator[Problem]:
    words = None if context.prompts is None else context.prompts.label_tokens
    if context.method.task != "masked" or not words or context.prompts.mask_token is False:  # type: ignore[union-attr]
        return
    for word, tokens in words.items():
        if len(tokens) != 1:
            yield Problem(
                f'the label word "{word.strip()}" is {len(tokens)} tokens for {context.model_name}; expected '
                "1, because it fills in one mask",
                "use a template whose words are single tokens, such as Yes, Maybe and No",
                "template",
            )


@check(
    "prompt_room",
    "error",
    "prompts that leave no room for the pair",
    "Template and demonstrations are never cut, only the pair: where they alone are too long there is "
    "nothing left to ask.",
)
def prompt_room(context: CheckContext) -> Iterator[Problem]:
    limit = context.longest_input
    fixed = None if context.prompts is None else context.prompts.fixed_tokens
    if limit is None or fixed is None or fixed < limit:
        return
    shots = context.prompts.demonstrations if context.prompts is not None else 0
    held = f" with its {shots} demonstrations" if shots else ""
    generated = context.value("max_new_tokens") if context.generates else 0
    kept = f", {generated} more being kept for the answer" if generated else ""
    positions = context.text_positions
    ways = ["a larger --max-length"] if positions is None or positions > limit + generated else []
    ways.append("fewer --shots" if shots else "a shorter template")
    yield Problem(
        f"the template takes {fixed:,} tokens{held} without any pair, and {limit:,} fit{kept}",
        " or ".join(ways),
        "shots" if shots else "max_length",
    )


@check(
    "demonstrations",
    "error",
    "more demonstrations than the training rows have",
    "Demonstrations come from the training rows with balanced labels, each pair once.",
)
def demonstrations(context: CheckContext) -> Iterator[Problem]:
    shots = context.value("shots")
    counts = None if context.data is None else context.data.labels
    if not shots or counts is None:
        return
    # Chance decides which labels are shown once more, so each must be able to be.
    needed = -(-shots // len(context.labels))
    label = min(context.labels, key=lambda label: counts.get(label, 0))
    if counts.get(label, 0) < needed:
        there = counts.get(label, 0)
        yield Problem(
            f"{shots} demonstrations need {needed:,} rows of each label, and {there:,} training rows are "
            f"{label}",
            f"--shots {len(context.labels) * there} or fewer, or a larger --fraction",
            "shots",
        )


@check(
    "first_tokens",
    "warning",
    "label words that share their first token",
    "The first token then says nothing about which of them it is: what is compared is how the words go on, "
    "which takes another pass over every row.",
)
def first_tokens(context: CheckContext) -> Iterator[Problem]:
    words = None if context.prompts is None else context.prompts.label_tokens
    if context.value("scorer") != "likelihood" or not words:
        return
    seen: dict[int, str] = {}
    for word, tokens in words.items():
        if tokens and tokens[0] in seen:
            yield Problem(
                f'the label words "{seen[tokens[0]].strip()}" and "{word.strip()}" begin with the same token '
                f"for {context.model_name}; expected different ones",
                _OTHER_WORDS,
                "template",
            )
        elif tokens:
            seen[tokens[0]] = word


@check(
    "label_lengths",
    "warning",
    "label words of different length, compared without calibration",
    "The likelihood of a word is that of its tokens multiplied, so that a longer word tends to lose whatever "
    "is asked; calibration divides that out.",
)
def label_lengths(context: CheckContext) -> Iterator[Problem]:
    words = None if context.prompts is None else context.prompts.label_tokens
    if context.value("scorer") != "likelihood" or context.value("calibration") != "none" or not words:
        return
    if len({len(tokens) for tokens in words.values()}) > 1:
        told = ", ".join(f'"{word.strip()}" {len(tokens)}' for word, tokens in words.items())
        yield Problem(
            f"the label words have different numbers of tokens for {context.model_name}: {told}",
            "--calibration batch, or words of one token each",
            "calibration",
        )
