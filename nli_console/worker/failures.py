"""What went wrong, in words a user can act on: an exception becomes a reason of ``final.json``."""

import errno
import os
import pickle
import re
import sys
from collections.abc import Iterator, Mapping

from nli_console.errors import ConsoleError
from nli_console.record.state import Reason
from nli_console.text import clean

DETAIL_LIMIT = 2000
_TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{20,}|(?<=[Bb]earer )\S+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL", re.IGNORECASE)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_SPACE_WORDS = ("No space left on device", "StorageFull", "os error 28", "Disk quota exceeded")
# torch reports a short write of its archive writer in these words and drops errno.
_SHORT_WRITE_WORDS = ("PytorchStreamWriter failed", "iostream error", "unexpected pos")
_HOST_MEMORY_WORDS = ("DefaultCPUAllocator", "not enough memory", "Cannot allocate memory")


class NanTraining(Exception):
    """Training diverged for good: the loss stays NaN, or the weights hold NaN."""


class CheckpointInvalid(Exception):
    """A checkpoint that verified cannot be loaded."""


def scrub(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Replace access tokens, and the values of variables of ``environment`` whose names sound secret.

    ``environment`` is by default this process's own.
    """
    text = _TOKENS.sub("[secret]", text)
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= 8 and _SECRET_NAMES.search(name):
            text = text.replace(value, "[secret]")
    return text


def reason_of(error: BaseException) -> Reason:
    """The reason of a failed run. Looks through causes: libraries wrap a full disk in errors of their own."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, NanTraining):
            return Reason("nan", scrub(str(link)))
        if isinstance(link, CheckpointInvalid):
            return Reason("checkpoint_invalid", scrub(str(link)))
    for link in chain:
        if _is_disk_full(link):
            return Reason(
                "disk_full", "the disk is full or the quota is used up: free some space, then resume the run"
            )
        if type(link).__name__ == "OutOfMemoryError" or "CUDA out of memory" in str(link):
            return Reason(
                "cuda_oom",
                "the GPU has not enough memory: halve batch_size and double gradient_accumulation_steps, "
                "switch gradient_checkpointing on, or lower max_length. " + _first_line(link),
            )
        if isinstance(link, MemoryError) or any(word in str(link) for word in _HOST_MEMORY_WORDS):
            return Reason("host_oom", "the machine has not enough memory: " + _first_line(link))
    if isinstance(error, ConsoleError):
        return Reason("exception", clean(scrub(str(error)), limit=DETAIL_LIMIT))
    if isinstance(error, pickle.UnpicklingError):
        return Reason("checkpoint_invalid", "a checkpoint file holds more than tensors and was not loaded")
    return Reason("exception", clean(f"{type(error).__name__}: {scrub(str(error))}", limit=DETAIL_LIMIT))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return True
    text = str(error)
    return any(word in text for word in _NO_SPACE_WORDS) or (
        isinstance(error, RuntimeError) and any(word in text for word in _SHORT_WRITE_WORDS)
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return clean(scrub(lines[0]), limit=300) if lines else type(error).__name__


def report(error: BaseException) -> None:
    """Write the traceback, without secrets, to standard error (the run's console.log)."""
    import traceback

    sys.stderr.write(scrub("".join(traceback.format_exception(error))))
    sys.stderr.flush()
