"""The splits of a run as token ids: of plain pairs, or of prompts where the run has a template."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from nli_console.data.prompts import PromptRenderer
from nli_console.data.spec import Split
from nli_console.record.spec import RunSpec
from nli_console.worker import prompt_record
from nli_console.worker.attempt import Attempt
from nli_console.worker.prompted import PromptTokeniser
from nli_console.worker.scorer import Rows
from nli_console.worker.tokenise import Tokeniser

_GIB = 1024**3


def make_tokeniser(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, folder: Path, max_length: int
) -> tuple[Tokeniser | PromptTokeniser, dict[str, Any] | None]:
    """What makes token ids of pairs, and of prompts also what ``prompt.json`` says of them.

    Args:
        folder: of the tokenizer's files.
        max_length: longest row in tokens.

    Raises:
        ConsoleError: the template does not fit the tokenizer, or leaves no room for a pair.
    """
    limit = int(spec.cache.tokenised_limit_gib * _GIB)
    cache_dir = Path(spec.cache_dir)
    if spec.template is None:
        return Tokeniser(tokenizer, folder, max_length, cache_dir, limit), None
    renderer = PromptRenderer(spec.template, tokenizer, spec.model_name)
    tokeniser = PromptTokeniser(renderer, tokenizer, folder, max_length, cache_dir, limit)
    return tokeniser, prompt_record.describe(renderer, tokeniser.digest)


def tokenise(
    attempt: Attempt, tokeniser: Tokeniser | PromptTokeniser, splits: Mapping[str, Split]
) -> dict[str, Rows]:
    """The rows of ``splits`` in their order, with progress over all of them.

    Raises:
        Stopped: a stop was asked for.
    """
    total, before = sum(len(split.examples) for split in splits.values()), 0
    attempt.recorder.phase("tokenising", 0, total, "rows")
    found: dict[str, Rows] = {}
    for name, split in splits.items():

        def progress(done: int, _: int, before: int = before) -> None:
            attempt.recorder.phase("tokenising", before + done, total, "rows")
            attempt.stop.check()

        found[name] = Rows(split.examples, tokeniser.split(split.examples, progress))
        before += len(split.examples)
    return found
