"""Which token fills short rows: one that never occurs in the text of a row.

A token that does occur is masked with the padding wherever it stands. When that is the end-of-turn token, a
language model never learns to stop, and a classifier that reads the token before the first pad reads the end
of the constant system message.
"""

import re
from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.methods.fields import did_you_mean

if TYPE_CHECKING:
    from nli_console.methods.checks.facts import TokenizerFacts

AUTO = "auto"

_MADE_FOR_IT = (
    "<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<|PAD_TOKEN|>", "<|end_of_text|>",
    "<|endoftext|>",
)  # fmt: skip
"""Best first. The last two end documents of pre-training, which no row is."""
_SPARE = re.compile(r"reserved|unused|pad", re.IGNORECASE)


def choose_pad(facts: "TokenizerFacts", wanted: str = AUTO, model: str = "the model") -> str | None:
    """The token to pad with: ``wanted``, or with ``auto`` the best that stands in no row.

    Where every special token may stand in a row, the unknown or the end token; ``None`` without either.

    Raises:
        ConsoleError: ``wanted`` is no special token of the tokenizer.
    """
    if wanted != AUTO:
        if wanted not in facts.special_tokens:
            raise ConsoleError(
                f'--pad-token {wanted}: {model} has no special token called "{wanted}"'
                f"{did_you_mean(wanted, facts.special_tokens)}; use {AUTO}, or another of its own"
            )
        return wanted
    if facts.pad_token and not may_occur(facts, facts.pad_token):
        return facts.pad_token
    known = set(facts.special_tokens)
    spare = [token for token in facts.special_tokens if _SPARE.search(token)]
    for token in (*(token for token in _MADE_FOR_IT if token in known), *spare):
        if not may_occur(facts, token):
            return token
    return facts.pad_token or facts.unk_token or facts.eos_token


def may_occur(facts: "TokenizerFacts", token: str) -> bool:
    """Whether ``token`` begins, ends or structures rows, so that padding with it hides a part of them."""
    return token in (facts.bos_token, facts.eos_token) or token in facts.chat_template
