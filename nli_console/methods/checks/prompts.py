"""Checks of rendered prompts and label words."""

from collections.abc import Iterator, Mapping

from nli_console.errors import ConsoleError
from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check
from nli_console.methods.padding import AUTO, choose_pad


@check(
    "pad_in_prompts",
    "warning",
    "a pad token that occurs in the prompts",
    "Padding with the end-of-turn token masks every real one in training, and a classifier that pools "
    "before the first pad reads the constant system line: the report's collapse to 34.7 %.",
)
def pad_in_prompts(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    pad = _expected_pad(context) if prompts is None and context.method.family == "decoder" else None
    if prompts is not None and prompts.with_pad_token:
        yield Problem(
            f"the pad token {prompts.pad_token} stands in {prompts.with_pad_token:,} of {prompts.sampled:,} "
            "sampled prompts; expected in none",
            "pad with a token that never stands in text, such as <|end_of_text|> or a reserved one",
            "pad_token",
        )
    elif pad is not None and context.tokenizer is not None and pad in context.tokenizer.chat_template:
        yield Problem(
            f"the pad token {pad} stands in {context.model_name}'s chat template; expected "
            "one that no prompt contains",
            "pad with a token that never stands in text, such as <|end_of_text|> or a reserved one",
            "pad_token",
        )


def _expected_pad(context: CheckContext) -> str | None:
    """The token that a run would pad with, where the tokenizer's files tell."""
    if context.tokenizer is None:
        return None
    try:
        return choose_pad(context.tokenizer, context.value("pad_token") or AUTO)
    except ConsoleError:
        return None


@check(
    "pad_token",
    "error",
    "a pad token that the tokenizer does not have",
    "A text that is no token of the tokenizer cannot fill rows, and a new token would need a row of its own "
    "in the embeddings.",
)
def pad_token(context: CheckContext) -> Iterator[Problem]:
    wanted = context.value("pad_token")
    if wanted is None or context.tokenizer is None or not context.tokenizer.special_tokens:
        return
    try:
        choose_pad(context.tokenizer, wanted, context.model_name)
    except ConsoleError as error:
        yield Problem(str(error).partition("; use")[0], f"--pad-token {AUTO}", "pad_token")


@check(
    "prompt_mismatch",
    "warning",
    "prompts scored that were not trained on",
    "A model fine-tuned on one template is scored far below its worth on another; the report's 36 % came "
    "from evaluating without the header that training had.",
)
def prompt_mismatch(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    if prompts is None or prompts.training_hash is None or prompts.evaluation_hash is None:
        return
    if prompts.training_hash != prompts.evaluation_hash:
        yield Problem(
            f"the evaluation template ({prompts.evaluation_hash[:8]}) is not the training template "
            f"({prompts.training_hash[:8]}); expected the same",
            "use one template for both",
        )


@check(
    "assistant_header",
    "warning",
    "prompts that do not open the assistant's turn",
    "Without the header the model continues the user's text instead of answering; this alone explains the "
    "report's 36 % after fine-tuning.",
)
def assistant_header(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    if prompts is not None and prompts.header and prompts.ends_with_header is False:
        yield Problem(
            f"the scored prompts do not end with {prompts.header.strip()!r}, which opens the assistant's "
            "turn",
            "render the prompt with the generation prompt added",
        )


@check(
    "double_bos",
    "warning",
    "prompts that begin with two beginning-of-text tokens",
    "Rendering a chat template to text and tokenising it again adds a second one, which costs up to 6 "
    "points on some benchmarks.",
)
def double_bos(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    if prompts is not None and prompts.leading_bos is not None and prompts.leading_bos > 1:
        yield Problem(
            f"the prompts begin with {prompts.leading_bos} beginning-of-text tokens; expected 1",
            "tokenise the rendered template without special tokens",
        )


@check(
    "max_new_tokens",
    "error",
    "max_new_tokens too short for a label word",
    "An answer that is cut before the label word ends cannot be read, and every row of that label counts as "
    "wrong.",
)
def max_new_tokens(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    if prompts is None or prompts.max_new_tokens is None or not prompts.label_tokens:
        return
    word = max(prompts.label_tokens, key=lambda label: len(prompts.label_tokens[label]))  # type: ignore[index]
    needed = len(prompts.label_tokens[word])
    if prompts.max_new_tokens < needed:
        yield Problem(
            f'max_new_tokens {prompts.max_new_tokens} is too short: "{word}" is {needed} tokens; expected '
            f"{needed} or more",
            f"--max-new-tokens {needed + 6}, with room for a few words before it",
            "max_new_tokens",
        )


@check(
    "label_tokens",
    "error",
    "label words that cannot be told apart by their first tokens",
    "Where one token decides, two words that begin with the same one always get the same score; where whole "
    "words are scored, a word that begins another is always the likelier of the two.",
)
def label_tokens(context: CheckContext) -> Iterator[Problem]:
    prompts = context.prompts
    # Where the model writes its answer, words are read whole, however they begin.
    if prompts is None or not prompts.label_tokens or context.generates:
        return
    if not prompts.first_token_only:
        yield from _beginnings(prompts.label_tokens)
        return
    seen: dict[int, str] = {}
    for word, tokens in prompts.label_tokens.items():
        if not tokens:
            continue
        if tokens[0] in seen:
            yield Problem(
                f'the label words "{seen[tokens[0]]}" and "{word}" share their first token; expected '
                "different ones",
                "choose words that begin differently, such as True, Neither and False",
            )
        seen.setdefault(tokens[0], word)


def _beginnings(words: Mapping[str, tuple[int, ...]]) -> Iterator[Problem]:
    for word, tokens in words.items():
        for other, longer in words.items():
            if other != word and tokens and longer[: len(tokens)] == tokens:
                yield Problem(
                    f'the label word "{other}" begins with all of "{word}", which always scores '
                    "higher; expected words that part before either ends",
                    "choose words that begin differently, such as True, Neither and False",
                    "template",
                )
