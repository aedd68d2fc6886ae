"""What is wrong with a recipe before a GPU hour is spent on it.

A check is a pure function over a :class:`CheckContext`; to add one is to write it in one of the files of this
package. ``docs/checks.md`` lists them all.
"""

from nli_console.methods.checks import data, lora, model, optimiser, prompts, resources, scoring
from nli_console.methods.checks.facts import (
    CheckContext,
    DataFacts,
    MachineFacts,
    ModelFacts,
    PromptFacts,
    TokenizerFacts,
    read_tokenizer,
)
from nli_console.methods.checks.registry import CHECKS, Check, Finding, check_ignored, run_checks

__all__ = [
    "CHECKS",
    "FAMILIES",
    "Check",
    "CheckContext",
    "DataFacts",
    "Finding",
    "MachineFacts",
    "ModelFacts",
    "PromptFacts",
    "TokenizerFacts",
    "check_ignored",
    "read_tokenizer",
    "run_checks",
]

FAMILIES = (lora, optimiser, model, data, prompts, scoring, resources)
