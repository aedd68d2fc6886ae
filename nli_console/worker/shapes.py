"""``python -m nli_console.worker shapes MODEL CACHE_DIR [TASK]``: shapes without weights."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

from nli_console.data.spec import LABELS
from nli_console.methods.shapes import ModelShapes, Task, cache_path, find_config

_AUTO: dict[Task, Any] = {
    "classifier": AutoModelForSequenceClassification,
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
}


def compute(model: str, task: Task = "classifier") -> ModelShapes:
    """Build the model of a hub id or folder on the meta device, from its configuration alone.

    Raises:
        OSError, ValueError: there is no such model, or its configuration is of no known architecture.
    """
    config = AutoConfig.from_pretrained(model, num_labels=len(LABELS), trust_remote_code=False)
    with torch.device("meta"):
        return ModelShapes.of(_AUTO[task].from_config(config), Path(model).name)


def main(arguments: list[str]) -> int:
    """Fill the cache; 0 when :func:`nli_console.methods.shapes.load` will find the shapes from now on."""
    model, cache_dir = arguments[0], Path(arguments[1])
    task: Task = "classifier"
    for known in _AUTO:
        if arguments[2:] == [known]:
            task = known
    try:
        shapes = compute(model, task)
        config = find_config(model)
        if config is None:
            raise OSError(f'config.json of "{model}" cannot be found in the cache')
        _replace(cache_path(config.read_bytes(), cache_dir, task), json.dumps(shapes.to_json()))
    except Exception as error:
        # A person reads this line, so the first sentence has to do.
        print(str(error).strip().partition("\n")[0] or type(error).__name__, file=sys.stderr)
        return 1
    return 0


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
