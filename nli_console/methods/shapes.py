"""Module names, classes and parameter shapes of a model: enough to count parameters without torch.

The architectures named in :data:`SHIPPED` come with the package; any other is computed once on the meta
device by a worker process (:func:`compute_command`) and cached under the content of its ``config.json``.
"""

import hashlib
import importlib.metadata
import json
import math
import os
import re
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch.nn import Module

Task = Literal["classifier", "causal", "masked"]
Shape = tuple[int, ...]

SHIPPED: dict[str, str] = {
    "roberta-large": "roberta-large",
    "FacebookAI/roberta-large": "roberta-large",
    "roberta-large-mnli": "roberta-large",
    "FacebookAI/roberta-large-mnli": "roberta-large",
    "meta-llama/Meta-Llama-3-8B": "llama-3-8b",
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama-3-8b",
}
"""Hub id → stem of its files in ``architectures/``."""

COMMAND_FOLDER = Path(__file__).parents[2]
"""Where :func:`compute_command` is to be started."""

_ARCHITECTURES = Path(__file__).parent / "architectures"
_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModuleShape:
    """One module: dotted name, class name, and the shapes of the parameters it owns itself."""

    name: str
    kind: str
    parameters: dict[str, Shape]

    @property
    def size(self) -> int:
        return sum(math.prod(shape) for shape in self.parameters.values())


@dataclass(frozen=True)
class ModelShapes:
    """A model's modules in order, tied parameters once.

    ``base`` is the name of the pretrained part (``roberta``, ``model``); everything beside it is the head.
    ``config`` holds the values of ``config.json`` that decide the shapes.
    """

    name: str
    architecture: str
    base: str
    modules: tuple[ModuleShape, ...]
    config: dict[str, Any]

    @cached_property
    def total(self) -> int:
        """Number of parameters."""
        return sum(module.size for module in self.modules)

    @cached_property
    def head(self) -> tuple[str, ...]:
        """Top-level modules with parameters that were added to the base model: ``("classifier",)``."""
        owners = [module.name.split(".", 1)[0] for module in self.modules if module.size]
        return tuple(dict.fromkeys(owner for owner in owners if owner != self.base)) if self.base else ()

    @cached_property
    def head_size(self) -> int:
        """Number of parameters in the head."""
        return sum(module.size for module in self.modules if self.in_head(module))

    @property
    def causal(self) -> bool:
        """Whether this is a language model, whose head scores the vocabulary."""
        return self.architecture.endswith(("ForCausalLM", "LMHeadModel"))

    def in_head(self, module: ModuleShape) -> bool:
        return module.name.split(".", 1)[0] in self.head

    def to_json(self) -> dict[str, Any]:
        """Layers that repeat are written once, with ``{}`` for the index and how often."""
        grouped: dict[str, tuple[str, str, dict[str, Shape], list[int]]] = {}
        for module in self.modules:
            name, index = _template(module.name)
            key = json.dumps([name, module.kind, module.parameters])
            entry = grouped.setdefault(key, (name, module.kind, module.parameters, []))
            if index is not None:
                entry[3].append(index)
        rows: list[list[Any]] = []
        for name, kind, parameters, indices in grouped.values():
            if not indices:
                rows.append([name, kind, parameters])
            elif indices == list(range(len(indices))):
                rows.append([name, kind, parameters, len(indices)])
            else:
                rows += [[name.replace("{}", str(index), 1), kind, parameters] for index in indices]
        return {
            "format": _FORMAT,
            "name": self.name,
            "architecture": self.architecture,
            "base": self.base,
            "config": self.config,
            "modules": rows,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any], name: str) -> "ModelShapes":
        """Raises ``KeyError``, ``TypeError`` or ``ValueError`` on what :meth:`to_json` did not write."""
        if record["format"] != _FORMAT:
            raise ValueError(f"format {record['format']!r}, expected {_FORMAT}")
        modules: list[ModuleShape] = []
        for row in record["modules"]:
            parameters = {key: tuple(shape) for key, shape in row[2].items()}
            names = [row[0]] if len(row) == 3 else [row[0].replace("{}", str(i), 1) for i in range(row[3])]
            modules += [ModuleShape(each, row[1], parameters) for each in names]
        return cls(name, record["architecture"], record["base"], tuple(modules), record["config"])

    @classmethod
    def of(cls, model: "Module", name: str) -> "ModelShapes":
        """The shapes of a live model (also on the meta device)."""
        seen: set[int] = set()
        modules: list[ModuleShape] = []
        for module_name, module in model.named_modules():
            own: dict[str, Shape] = {}
            for key, parameter in module.named_parameters(recurse=False):
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    own[key] = tuple(parameter.shape)
            if module_name:
                modules.append(ModuleShape(module_name, type(module).__name__, own))
        base = getattr(model, "base_model_prefix", "")
        config: Any = getattr(model, "config", None)
        return cls(
            name=name,
            architecture=type(model).__name__,
            base=base if isinstance(base, str) and hasattr(model, base) else "",
            modules=tuple(modules),
            config={} if config is None else _deciding(config.to_dict()),
        )


def load(model: str, cache_dir: Path, task: Task = "classifier") -> ModelShapes | None:
    """Shapes of a hub id or folder with three labels: shipped, cached by an earlier run, or ``None``."""
    if model in SHIPPED and not Path(model).is_dir():
        shipped = _shipped(SHIPPED[model], task)
        return None if shipped is None else _named(shipped, model)
    config_path = find_config(model)
    if config_path is None:
        return None
    try:
        content = config_path.read_bytes()
        config = _deciding(json.loads(content))
    except (OSError, ValueError, AttributeError):
        return None
    for stem in dict.fromkeys(SHIPPED.values()):
        shipped = _shipped(stem, task)
        if shipped is not None and _same_architecture(config, shipped.config):
            return _named(shipped, model)
    try:
        record = json.loads(cache_path(content, cache_dir, task).read_text(encoding="utf-8"))
        return ModelShapes.from_json(record, _short(model))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def compute_command(model: str, cache_dir: Path, task: Task = "classifier") -> list[str]:
    """The command that fills the cache for :func:`load`; it ends with 1 and a sentence on stderr if not.

    Start it with ``cwd=COMMAND_FOLDER``: a module in the user's folder must not stand in for a library.
    """
    return [sys.executable, "-m", "nli_console.worker", "shapes", model, str(cache_dir), task]


def cache_path(config: bytes, cache_dir: Path, task: Task) -> Path:
    """Where the shapes of a ``config.json`` with this content stand, for the installed transformers."""
    try:
        version = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    digest = hashlib.sha256(f"{_FORMAT} {version} ".encode() + config).hexdigest()
    return cache_dir / "shapes" / f"{digest[:32]}-{task}.json"


def find_config(model: str) -> Path | None:
    """``config.json`` of a local folder or of the newest snapshot in the hub's cache; no network."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        path = folder / "config.json"
        return path if path.is_file() else None
    repository = hub_cache() / f"models--{model.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    path = repository / "snapshots" / commit / "config.json"
    return path if path.is_file() else None


def find_tokenizer(model: str) -> Path | None:
    """``tokenizer.json`` beside :func:`find_config`'s file; no network."""
    config = find_config(model)
    path = None if config is None else config.with_name("tokenizer.json")
    return path if path is not None and path.is_file() else None


def hub_cache() -> Path:
    """Where the hub library keeps downloaded models, by the same variables as that library."""
    environment = os.environ
    if explicit := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    home = environment.get("HF_HOME")
    if not home:
        home = os.path.join(environment.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


@cache
def _shipped(stem: str, task: Task) -> ModelShapes | None:
    path = _ARCHITECTURES / f"{stem}.{task}.json"
    if not path.is_file():
        return None
    return ModelShapes.from_json(json.loads(path.read_text(encoding="utf-8")), stem)


def _named(shapes: ModelShapes, model: str) -> ModelShapes:
    return ModelShapes(_short(model), shapes.architecture, shapes.base, shapes.modules, shapes.config)


def _short(model: str) -> str:
    return Path(model).name if Path(model).is_absolute() else model


def _template(name: str) -> tuple[str, int | None]:
    """``encoder.layer.3.output`` → ``encoder.layer.{}.output`` and 3; names with two indices stay whole."""
    indices = _INDEX.findall(name)
    if len(indices) != 1:
        return name, None
    return _INDEX.sub("{}", name), int(indices[0])


_DEFAULTED = frozenset({"head_dim", "tie_word_embeddings", "attention_bias", "mlp_bias"})
"""Keys that config files often leave to the default of their class, which the shipped records hold."""

_DECIDING = (
    "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size",
    *sorted(_DEFAULTED),
)  # fmt: skip


def _deciding(config: dict[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in _DECIDING if config.get(key) is not None}


def _same_architecture(config: dict[str, Any], shipped: dict[str, Any]) -> bool:
    return all(
        config.get(key, value if key in _DEFAULTED else None) == value for key, value in shipped.items()
    )
