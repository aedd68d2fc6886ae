"""What a chat engine is asked: requests as both of its ends see them. ``docs/prompts.md`` has the answers.

A request is one JSON object on a line, ``{"id": …, "op": …}`` and the fields of its class.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nli_console.data.prompts import PromptTemplate, Turn
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

Quantisation = Literal["none", "8-bit", "nf4"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

MOST_ROWS = 1000
"""Rows of a quick check; more are a run's work."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Question(_Part):
    """A pair, put into a template after demonstrations."""

    template: PromptTemplate
    premise: str
    hypothesis: str
    shots: tuple[Example, ...] = ()

    def refuse_empty(self) -> None:
        """As :func:`refuse_empty`."""
        refuse_empty(self.premise, self.hypothesis)


class Dialogue(_Part):
    """A free conversation; the model is to speak next."""

    turns: tuple[Turn, ...] = Field(min_length=1, max_length=1000)

    def refuse_empty(self) -> None:
        """Raises ``ConsoleError`` where the last turn is not the user's, or says nothing."""
        if self.turns[-1].role != "user":
            raise ConsoleError(f"the last turn is the {self.turns[-1].role}'s; the model answers a user's")
        if not self.turns[-1].text.strip():
            raise ConsoleError("the message is empty; write something")


Prompt = Question | Dialogue


class Sampling(_Part):
    """How an answer is written. Greedy where ``temperature`` is 0; then the rest of the drawing is unused.

    Attributes:
        top_p: draw from the likeliest tokens that make up this share.
        top_k: draw from so many likeliest tokens; 0 from all.
    """

    max_new_tokens: int = Field(default=64, ge=1, le=32_768)
    temperature: float = Field(default=0.0, ge=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0, le=10**6)
    seed: int = Field(default=1, ge=0, lt=2**32)


class Load(_Part):
    """Load a model, after waiting for a device.

    Attributes:
        model: a folder or hub id; ``model_name`` is the user's word for it.
        idle_seconds: the process ends after so long without a request; ``None`` never.
        cpu_slots, wait_for_foreign: as ``[queue]`` of the settings.
    """

    op: Literal["load"] = "load"
    model: str
    model_name: str
    quantisation: Quantisation = "none"
    precision: Precision = "auto"
    cpu_slots: int = Field(default=1, ge=1)
    wait_for_foreign: bool = True
    idle_seconds: float | None = Field(default=None, gt=0)


class Unload(_Part):
    """End the process at once, and everything in it."""

    op: Literal["unload"] = "unload"


class Stop(_Part):
    """End another request, as soon as it can be."""

    op: Literal["stop"] = "stop"
    target: int


class Generate(_Part):
    """Let the model answer. ``adapter``: folder of the one to answer with; empty is the base model."""

    op: Literal["generate"] = "generate"
    prompt: Prompt
    sampling: Sampling = Sampling()
    adapter: str = ""


class Score(_Part):
    """How likely each label word is as the answer."""

    op: Literal["score"] = "score"
    prompt: Question
    adapter: str = ""


class Attach(_Part):
    """Load an adapter beside the model, so that switching to it takes no time."""

    op: Literal["attach"] = "attach"
    adapter: str


class Check(_Part):
    """Score rows of a split, chosen by seed: the same ones whatever the template."""

    op: Literal["check"] = "check"
    template: PromptTemplate
    shots: tuple[Example, ...] = ()
    data: DataSpec
    split: str
    rows: int = Field(default=50, ge=1, le=MOST_ROWS)
    seed: int = Field(default=1, ge=0, lt=2**32)
    batch_size: int = Field(default=8, ge=1, le=4096)
    adapter: str = ""


class Render(_Part):
    """What a model would read; needs its tokenizer alone."""

    op: Literal["render"] = "render"
    model: str
    model_name: str
    prompt: Prompt
    max_new_tokens: int = Field(default=64, ge=1, le=32_768)


class Demonstrate(_Part):
    """Solved pairs from the training rows, with balanced labels: those of an ``icl`` run with this seed."""

    op: Literal["demonstrate"] = "demonstrate"
    data: DataSpec
    shots: int = Field(ge=0, le=256)
    seed: int = Field(default=1, ge=0, lt=2**32)


ModelRequest = Load | Generate | Score | Attach | Check
"""Worked on one after another, in their order."""
TextRequest = Render | Demonstrate
"""Worked on beside the others; need no model and no device."""
Request = ModelRequest | TextRequest | Stop | Unload

_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="op")])


def read_request(record: dict[str, Any]) -> Request:
    """A request without its id.

    Raises:
        ConsoleError: an unknown ``op``, a missing field or a value out of bounds.
    """
    try:
        return _REQUEST.validate_python(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = "".join(f"{part}: " for part in first["loc"][-2:])
        message = clean_line(f"{key}{first['msg'][:1].lower()}{first['msg'][1:]}", limit=300)
        raise ConsoleError(f"the request cannot be read: {message}") from None


def refuse_empty(premise: str, hypothesis: str) -> None:
    """Raises ``ConsoleError`` where the premise or the hypothesis says nothing."""
    for name, text in (("premise", premise), ("hypothesis", hypothesis)):
        if not text.strip():
            raise ConsoleError(f"the {name} is empty; write a sentence")


def refuse_masked(template: PromptTemplate) -> None:
    """Raises ``ConsoleError`` for a template that a language model cannot be asked with."""
    if template.format == "masked":
        raise ConsoleError(
            f'template "{template.name}" fills in a mask, which is for encoders; choose a chat or a raw '
            "template"
        )


def refuse_too_long(tokens: int, positions: int | None, what: str = "the prompt") -> None:
    """Raises ``ConsoleError`` where a prompt leaves no room for a single token of an answer."""
    if positions is not None and tokens >= positions:
        raise ConsoleError(
            f"{what} takes {tokens:,} tokens, and the model reads at most {positions:,} with its answer; "
            "shorten it, use fewer shots, or choose a model with more positions"
        )
