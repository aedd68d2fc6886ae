"""Weights of a run in full precision: loaded, and with the adapter added to them."""

from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from nli_console.data.prompts import PromptRenderer
from nli_console.errors import ConsoleError
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.record.packaging import Package
from nli_console.worker import prompt_record
from nli_console.worker.device import Device, Precision
from nli_console.worker.models import load_config, load_tokenizer, usable_positions
from nli_console.worker.prompted import PromptTokeniser
from nli_console.worker.weights import Weights


def load(request: Package, folder: Path) -> tuple[Any, Any, dict[str, Any] | None]:
    """The model, its tokenizer and how it is asked, where it is asked with a prompt.

    An adapter that is to be merged is put on its base model in the precision of that model's own files, or in
    fp32 for an encoder, never on quantised weights: adding to 4-bit weights rounds the update away.

    Args:
        folder: of the base model's files, or the whole model's.

    Raises:
        ConsoleError: the weights do not fit, or the prompts are not those of the training.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    chosen = EvaluationHyperparameters.model_validate(request.hyperparameters)
    config = load_config(folder, request.model_name)
    tokenizer = load_tokenizer(folder, request.model_name, chosen.pad_token)
    weights = Weights(request.evaluates, chosen, folder, request.model_name)
    prompt = None
    if request.template is not None:
        longest = weights.longest(chosen.max_length, usable_positions(config, tokenizer))
        renderer = PromptRenderer(request.template, tokenizer, request.model_name)
        digest = PromptTokeniser(renderer, tokenizer, folder, longest, Path(), 0).digest
        prompt = prompt_record.describe(renderer, digest)
        prompt_record.require_same(weights.prompt_folder, prompt, request.evaluates.title)
    pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]  # load_tokenizer sees to it
    narrow = getattr(config, "dtype", None) in (torch.bfloat16, torch.float16)
    precision: Precision = "bf16" if narrow else "fp32"
    model, _ = weights.load(config, pad, Device(torch.device("cpu"), precision))
    return model, tokenizer, prompt


def merged(model: Any) -> Any:
    """The base model of a ``PeftModel`` with the update added to its weights and the trained head in place.

    Raises:
        ConsoleError: the sum is not finite.
    """
    try:
        whole = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ConsoleError(f"the adapter cannot be merged: {error}") from error
    # A head that was kept in fp32 beside weights in bf16 would be read in what the configuration names.
    kinds = {parameter.dtype for parameter in whole.parameters()}
    if len(kinds) > 1:
        whole = whole.to(whole.config.dtype or torch.float32)
    return whole


def size_of(model: Any) -> int:
    """Bytes of what ``save_pretrained`` writes, or more."""
    written = model.parameters()
    if hasattr(model, "peft_config"):
        # An adapter is what is named after it; the base model's weights stay where they are.
        written = (
            parameter
            for name, parameter in model.named_parameters()
            if "lora_" in name or "modules_to_save" in name or "prompt_encoder" in name
        )
    return sum(parameter.numel() * parameter.element_size() for parameter in written)
