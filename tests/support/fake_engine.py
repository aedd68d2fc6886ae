"""Stands in for ``supervisor.chat.Chat``: keeps what is asked, and tells what a test wants it to tell."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from nli_console.data.chat import Load, Request
from nli_console.data.prompts import Piece
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.chat_events import Event

R = TypeVar("R")
RAW = {"entailment": 0.2, "neutral": 0.5, "contradiction": 0.3}
CALIBRATED = {"entailment": 0.6, "neutral": 0.3, "contradiction": 0.1}


class FakeEngine:
    """The newest one is :attr:`latest`."""

    latest: "FakeEngine"

    def __init__(self, tell: Callable[[Event], None], environment: Mapping[str, str] | None = None) -> None:
        FakeEngine.latest = self
        self.tell = tell
        self.requests: list[Request] = []
        self.stopped: list[int] = []
        self.unloaded = False
        self.closed = False

    @property
    def model(self) -> Load | None:
        return None

    def ask(self, request: Request) -> int:
        self.requests.append(request)
        return len(self.requests)

    def stop(self, id: int) -> None:
        self.stopped.append(id)

    def unload(self) -> None:
        self.unloaded = True

    def close(self) -> None:
        self.closed = True

    def asked(self, kind: type[R]) -> list[R]:
        """The requests of a kind."""
        return [request for request in self.requests if isinstance(request, kind)]

    def last(self, kind: type[object]) -> int:
        """The id of the newest request of a kind."""
        return max(id for id, request in enumerate(self.requests, 1) if isinstance(request, kind))


def loaded(id: int, **changed: object) -> events.Loaded:
    values = {
        "device": "cuda:0 NVIDIA H200", "precision": "bf16", "slot": "gpu-GPU-1", "seconds": 9.0,
        "parameters": 8_030_261_248, "weights_bytes": 15 * 1024**3, "peak_memory_bytes": 16 * 1024**3,
        "positions": 8192, "chat_template": True, **changed,
    }  # fmt: skip
    return events.Loaded(id, **values)  # type: ignore[arg-type]


def answered(
    id: int, text: str = "Neutral.", label: str | None = "neutral", **changed: object
) -> events.Answered:
    values = {
        "tokens": 3, "prompt_tokens": 60, "seconds": 0.2, "first_token_seconds": 0.031,
        "tokens_per_second": 41.5, "ended": "end", "peak_memory_bytes": None, **changed,
    }  # fmt: skip
    return events.Answered(id, text, label, **values)  # type: ignore[arg-type]


def scored(id: int, raw: Mapping[str, float] = RAW) -> events.Scored:
    return events.Scored(id, dict.fromkeys(RAW, -1.0), raw, CALIBRATED)


def rendered(
    id: int, text: str = "Premise: A\nAnswer:", tokens: int = 60, **changed: object
) -> events.Rendered:
    values = {"positions": 8192, "findings": (), **changed}
    pieces = (Piece("<|begin_of_text|>", True), Piece(text, False), Piece("<|eot_id|>", True))
    return events.Rendered(id, pieces, tokens, **values)  # type: ignore[arg-type]
