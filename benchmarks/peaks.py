"""Peak memory of a piece of work.

torch has no counter of peak memory on the CPU, so the profiler's memory events are added up there: every
allocation and release. On a GPU its allocator counts.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_growth(work: Callable[[], object], device: torch.device) -> int:
    """How many bytes of tensors ``work`` holds at most beside those that stand when it begins."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        work()
    return peak_of(trace)


def peak_of(trace: Any) -> int:
    """The most bytes that were allocated at once while the profiler took ``trace`` of the CPU."""
    events = [event for event in trace.profiler.kineto_results.events() if event.name() == "[memory]"]
    current = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        current += event.nbytes()
        peak = max(peak, current)
    return peak


def standing(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of ``tensors``, those that share their memory once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())
