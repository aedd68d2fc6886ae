"""Where a run computes and with which arithmetic, and how much memory that took."""

import contextlib
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from nli_console.errors import ConsoleError

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Device:
    """The one device of a run and the arithmetic of its forward pass; trained weights stay in fp32."""

    torch_device: torch.device
    precision: Precision

    @property
    def cuda(self) -> bool:
        return self.torch_device.type == "cuda"

    @property
    def title(self) -> str:
        """``cpu``, or the name of the GPU."""
        return torch.cuda.get_device_name(self.torch_device) if self.cuda else "cpu"

    @property
    def compute_dtype(self) -> torch.dtype:
        """Of the forward pass."""
        return _DTYPES[self.precision]

    @property
    def width_multiple(self) -> int:
        """What widths of batches are rounded up to: tensor cores want multiples of 8."""
        return 8 if self.cuda else 1

    def autocast(self) -> AbstractContextManager[object]:
        """The arithmetic of the forward pass, for code outside Trainer."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=_DTYPES[self.precision])


def choose_device(precision: Literal["auto", "fp32", "bf16", "fp16"]) -> Device:
    """The visible GPU, else the CPU. ``auto`` is bf16 where the GPU computes in it, else fp32.

    Raises:
        ConsoleError: fp16 without a GPU, or bf16 on a GPU that lacks it.
    """
    if not torch.cuda.is_available():
        if precision == "fp16":
            raise ConsoleError(
                "precision: fp16 needs a GPU and this machine has none; use auto, fp32 or bf16"
            )
        return Device(torch.device("cpu"), "fp32" if precision == "auto" else precision)
    device = torch.device("cuda", 0)
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and not has_bf16:
        name = torch.cuda.get_device_name(device)
        raise ConsoleError(f"precision: {name} does not compute in bf16; use auto, fp32 or fp16")
    if precision == "auto":
        return Device(device, "bf16" if has_bf16 else "fp32")
    return Device(device, precision)


class MemoryMeter:
    """The peak memory of a run from here on.

    ``kind`` says what is measured: ``cuda_allocator``, the peak of torch's allocator on the GPU; or
    ``rss_growth``, how far the resident size of this process rose above its size when the meter was made,
    because torch has no such counter on the CPU.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.kind: Literal["cuda_allocator", "rss_growth"] = "cuda_allocator" if device.cuda else "rss_growth"
        self._base = 0
        if not device.cuda:
            with contextlib.suppress(OSError):
                # Resets the kernel's record of this process's peak.
                Path("/proc/self/clear_refs").write_text("5")
            self._base = _status_bytes("VmRSS") or 0

    def peak_bytes(self) -> int | None:
        if self._device.cuda:
            return torch.cuda.max_memory_allocated(self._device.torch_device)
        peak = _status_bytes("VmHWM")
        return None if peak is None else max(peak - self._base, 0)


def _status_bytes(field: str) -> int | None:
    try:
        match = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None
