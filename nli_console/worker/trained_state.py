"""What a checkpoint holds of a model of which only a part is trained: that part, and all of it.

The library's own files do not do for every method. Of a prompt encoder it writes the virtual tokens that come
out, not the network that computes them, which neither training nor a better checkpoint can go on from; of a
partly frozen model it writes everything.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from nli_console.worker.failures import CheckpointInvalid

FILE_NAME = "trained.safetensors"


def is_partial(model: Any) -> bool:
    """Whether checkpoints of ``model`` are written and read here, and not by the library."""
    if hasattr(model, "peft_config"):
        return model.active_peft_config.is_prompt_learning
    return not isinstance(model, PreTrainedModel) or not all(
        parameter.requires_grad for parameter in model.parameters()
    )


def save(model: torch.nn.Module, folder: Path) -> None:
    """Write every trained parameter under its name.

    Raises:
        OSError, SafetensorError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in _trained(model).items()}
    save_file(tensors, str(folder / FILE_NAME), metadata={"format": "pt"})


def load(model: torch.nn.Module, folder: Path) -> None:
    """Put what :func:`save` wrote into ``model``.

    Raises:
        CheckpointInvalid: the file is of another recipe.
    """
    tensors, own = load_file(str(folder / FILE_NAME)), _trained(model)
    if {name: tensor.shape for name, tensor in tensors.items()} != {
        name: parameter.shape for name, parameter in own.items()
    }:
        raise CheckpointInvalid(f"{folder.name}: its weights are not those that this recipe trains")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


def _trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
