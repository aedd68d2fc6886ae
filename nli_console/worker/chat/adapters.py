"""The adapter of a finished run: whether it belongs to the model that is loaded, and how it was asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.data.chat import Load
from nli_console.errors import ConsoleError
from nli_console.record.files import RecordError, read_json, read_json_or_none
from nli_console.text import clean_line

_CONFIG, _WEIGHTS, _PROMPT = "adapter_config.json", "adapter_model.safetensors", "prompt.json"


@dataclass(frozen=True)
class Adapter:
    """An adapter as it is attached.

    Attributes:
        name: by which the library knows it.
        template: name of the prompt template that it was trained with, where that is recorded.
        digest: of that wording, see :func:`nli_console.worker.prompted.wording_digest`.
    """

    folder: str
    name: str
    template: str = ""
    digest: str = ""

    def note(self, digest: str) -> str:
        """A sentence where it is asked in another way than it was trained; else empty."""
        if not self.digest or digest == self.digest:
            return ""
        named = f' (template "{clean_line(self.template, limit=80)}")' if self.template else ""
        return (
            f"the adapter was trained on another prompt{named}; asked in this way it may do far worse than "
            "it can"
        )


def read_adapter(folder: Path, name: str, request: Load) -> Adapter:
    """Check an adapter against the model of ``request``.

    Raises:
        ConsoleError: not an adapter, one that does not write, one of another base model, or unsafe weights.
    """
    shown = clean_line(folder, limit=200)
    try:
        config = read_json(folder / _CONFIG)
    except RecordError as error:
        raise ConsoleError(str(error)) from error
    if config is None:
        raise ConsoleError(f"{shown}: no adapter: {_CONFIG} is missing; name the adapter of a finished run")
    if config.get("task_type") != "CAUSAL_LM":
        kind = clean_line(config.get("task_type") or "unknown", limit=40)
        raise ConsoleError(
            f"{shown}: an adapter for the task {kind}, which writes no text; expected that of a qlora_sft run"
        )
    base = str(config.get("base_model_name_or_path") or "")
    if not _same_model(base, request):
        raise ConsoleError(
            f"{shown}: an adapter for {clean_line(base, limit=200) or 'an unnamed model'}, and "
            f"{request.model_name} is loaded; load the adapter's own base model"
        )
    if not (folder / _WEIGHTS).is_file():
        raise ConsoleError(f"{shown}: no safetensors weights: {_WEIGHTS} is missing")
    prompt: dict[str, Any] = read_json_or_none(folder / _PROMPT) or {}
    template = (prompt.get("template") or {}).get("name")
    return Adapter(str(folder), name, str(template or ""), str(prompt.get("digest") or ""))


def _same_model(base: str, request: Load) -> bool:
    """By name, or as one folder under two names."""
    if base in (request.model, request.model_name):
        return True
    first, second = (Path(name).expanduser() for name in (base, request.model))
    return bool(base) and first.is_dir() and second.is_dir() and first.resolve() == second.resolve()
