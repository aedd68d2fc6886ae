"""``prompt.json``: how a model was asked in training, so that it is never asked in another way by mistake.

A model fine-tuned on one wording is scored far below its worth on another.
"""

from pathlib import Path
from typing import Any

from nli_console.data.prompts import PromptRenderer
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.record.files import read_json_or_none
from nli_console.record.layout import PROMPT

_SHOWN = Example("", "{premise}", "{hypothesis}", 0)


def describe(renderer: PromptRenderer, digest: str) -> dict[str, Any]:
    """What ``prompt.json`` holds: ``{v, digest, template, text}``; ``text`` is what the model reads."""
    return {
        "v": 1,
        "digest": digest,
        "template": renderer.template.model_dump(mode="json"),
        "text": renderer.text(_SHOWN),
    }


def require_same(folder: Path, now: dict[str, Any], owner: str) -> None:
    """Compare the prompts of ``folder``, where it has a record of them, with those of :func:`describe`.

    Args:
        owner: what was trained with them, for the message.

    Raises:
        ConsoleError: they differ.
    """
    before = read_json_or_none(folder / PROMPT)
    if before is None or before.get("digest") == now["digest"]:
        return
    old, new = (str(each.get("digest"))[:8] for each in (before, now))
    names = [str((each.get("template") or {}).get("name")) for each in (before, now)]
    cause = (
        f'template "{names[0]}" and not "{names[1]}"'
        if names[0] != names[1]
        else "another wording, chat template or tokenizer under the same names"
    )
    raise ConsoleError(
        f"{owner} was trained on other prompts ({old}) than it would be asked with now ({new}): {cause}; "
        "expected the same. Restore the model's files and the template, or start a new run"
    )
