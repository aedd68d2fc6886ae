"""What a run leaves behind: the model or an adapter, as safetensors, with tokenizer and label names."""

import copy
import os
import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from nli_console.record.files import sync_file, sync_folder, write_json
from nli_console.record.layout import PROMPT


def save(
    target: Path,
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    base_model: str,
    prompt: dict[str, Any] | None = None,
) -> None:
    """Write ``model`` (a ``PreTrainedModel`` or ``PeftModel``) to ``target``, replacing what is there.

    An adapter's folder gets ``config.json`` too, for the label names, and names ``base_model`` as the spec
    does, not the place in a download cache. ``prompt`` is how the model was asked, for ``prompt.json``.

    Raises:
        OSError: the disk is full or the folder cannot be written; ``target`` then is as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)
    try:
        for adapter in getattr(model, "peft_config", {}).values():
            adapter.base_model_name_or_path = base_model
        # Virtual tokens are computed once more for the file, and dropout must not touch them.
        model.eval()
        model.save_pretrained(temporary)
        if hasattr(model, "peft_config"):
            config = copy.deepcopy(model.config)
            # With it the library would take the base model's files for 4-bit ones.
            if hasattr(config, "quantization_config"):
                del config.quantization_config
            config.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        if prompt is not None:
            write_json(temporary / PROMPT, prompt)
        for path in temporary.rglob("*"):
            if path.is_file():
                path.chmod(0o600)
                sync_file(path)
        sync_folder(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
