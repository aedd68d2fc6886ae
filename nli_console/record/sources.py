"""From what a person names to the weights that an evaluate-only run scores, and what follows from them."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nli_console.data.prompts import PromptTemplate
from nli_console.data.resolve import resolve_model
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.base import TrainingHyperparameters
from nli_console.methods.fields import require
from nli_console.methods.padding import AUTO
from nli_console.methods.shapes import Task
from nli_console.record import groups
from nli_console.record.evidence import Evidence, gather
from nli_console.record.files import read_json, read_json_or_none
from nli_console.record.layout import CHECKPOINT_NAME, MANIFEST, PROMPT, SPEC, RunLayout
from nli_console.record.spec import Evaluated
from nli_console.record.spec_io import UnknownRunError, load_spec
from nli_console.record.state import State, derive
from nli_console.settings import LoadedSettings, absolute_path, current_folder
from nli_console.text import clean_line

ADAPTER = "adapter_config.json"
BEST, LAST = "best", "last"
_TASKS: dict[str, Task] = {"SEQ_CLS": "classifier", "CAUSAL_LM": "causal"}
_HASHED = ("*.safetensors", "config.json", ADAPTER)
_ENDED = {State.STOPPED: "was stopped", State.LOST: "was lost"}
_READ_AT_ONCE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """What there is to evaluate.

    Attributes:
        model: base model or whole model, a folder or hub id, whose tokenizer is used.
        model_name: as the user, or the run, named it.
        values: hyperparameters of the evaluation that follow from it.
        template: that the weights were trained with.
        data: that the run was trained on.
    """

    evaluated: Evaluated
    model: str
    model_name: str
    values: dict[str, Any] = field(default_factory=dict)
    template: PromptTemplate | None = None
    data: DataSpec | None = None


def find_source(
    text: str,
    runs_dir: Path,
    settings: LoadedSettings,
    *,
    checkpoint: str | None = None,
    base: str | None = None,
) -> Source:
    """The run (id, unique beginning of one, or name), folder or hub id that ``text`` names, in this order.

    Args:
        checkpoint: a step number, ``best`` or ``last``: of a run, in place of what it made.
        base: model of an adapter, where another is meant than its configuration names.

    Raises:
        ConsoleError: nothing of that name, or nothing in it that can be evaluated.
    """
    if not text.strip():
        raise ConsoleError("nothing to evaluate is named: expected a run, a folder or a hub id")
    layout = named_run(text, runs_dir)
    if layout is not None:
        if base is not None:
            raise ConsoleError(f"--model {clean_line(base)}: a run has its own base model; leave it out")
        return of_run(layout, checkpoint)
    if checkpoint is not None:
        raise ConsoleError(
            f"--checkpoint {clean_line(checkpoint)}: only a run has checkpoints, and no run is called "
            f'"{clean_line(text, limit=80)}"; `nli-console list` shows the runs'
        )
    folder = absolute_path(text, current_folder(), "source")
    if (folder / ADAPTER).is_file():
        return of_adapter(folder, text, settings, base)
    if base is not None:
        raise ConsoleError(f"--model {clean_line(base)}: only an adapter has a base model; leave it out")
    try:
        model = resolve_model(text, settings)
    except ConsoleError as error:
        raise ConsoleError(
            f'nothing to evaluate is called "{clean_line(text, limit=80)}": no run begins with it '
            f"(`nli-console list` shows them), and as a model: {error}"
        ) from None
    name = clean_line(text, limit=200)
    if not Path(model).is_absolute():
        return Source(Evaluated(kind="model", name=name, weights=model), model, name)
    return _of_model(Path(model), name)


def named_run(text: str, runs_dir: Path) -> RunLayout | None:
    """The run that ``text`` names by id, unique beginning of one, name or folder; ``None`` where none is.

    Raises:
        ConsoleError: several runs fit, or a group does.
    """
    try:
        found = groups.find(runs_dir, text)
    except UnknownRunError:
        return _run_folder(text)
    if found.group is not None:
        raise ConsoleError(
            f"{found.group} is a group of {len(found.layouts)} runs; name one of them, such as "
            f"{found.layouts[0].id}"
        )
    return found.layouts[0]


def of_run(layout: RunLayout, checkpoint: str | None = None) -> Source:
    """What a run made, or one of its checkpoints.

    Raises:
        ConsoleError: it has made nothing (yet), or has no such checkpoint; the message says why.
    """
    spec = load_spec(layout)
    if spec.evaluates is not None:
        raise ConsoleError(
            f"{layout.id} is itself an evaluation, of {clean_line(spec.evaluates.title)}; evaluate that one"
        )
    method = registry.get(spec.method)
    if method.product is None:
        raise ConsoleError(
            f"{layout.id} trained nothing ({method.name} asks a model as it is), so it left nothing to "
            f"evaluate; ask again with `nli-console run {method.name}` and another --data"
        )
    evidence = gather(layout)
    state = derive(evidence).state
    if state.live:
        raise ConsoleError(
            f"{layout.id} is {state.value}: its weights still change; wait for its end or stop it first"
        )
    step, weights = (
        _product(layout, state, method.product)
        if checkpoint is None
        else _checkpoint(layout, evidence, checkpoint, method.product)
    )
    whole = method.product == "model" and step is None
    prompt = read_json_or_none(layout.prompt) or {}
    evaluated = Evaluated(
        kind="run",
        name=layout.id,
        weights=str(weights),
        task=method.task,
        method=method.name,
        hyperparameters=spec.hyperparameters,
        step=step,
        digest=digest_of(weights),
        prompt=_text(prompt.get("digest")),
        trained_on=spec.data.source,
    )
    own = require(method.Hyperparameters, spec.hyperparameters)
    assert isinstance(own, TrainingHyperparameters)
    values = {
        # Twice as many as in training, as the run's own evaluations had: no gradients are kept.
        "batch_size": 2 * own.batch_size,
        "max_length": own.max_length,
        "precision": own.precision,
        "quantisation": "nf4" if method.quantises else "none",
        "pad_token": getattr(own, "pad_token", AUTO),
    }
    return Source(
        evaluated,
        str(weights) if whole else spec.model,
        clean_line(spec.model_name, limit=200),
        values,
        spec.template,
        spec.data.model_copy(update={"fraction": 1.0}),
    )


def of_adapter(folder: Path, name: str, settings: LoadedSettings, base: str | None = None) -> Source:
    """A PEFT adapter in a folder of its own.

    Raises:
        ConsoleError: it is for another task, or its base model cannot be found.
    """
    shown = f'adapter "{clean_line(name, limit=200)}"'
    config = read_json(folder / ADAPTER) or {}
    kind = str(config.get("task_type"))
    if kind not in _TASKS:
        raise ConsoleError(
            f"{shown}: its task_type is {clean_line(kind, limit=40)}; expected {' or '.join(_TASKS)}"
        )
    wanted = base or _text(config.get("base_model_name_or_path"))
    if not wanted:
        raise ConsoleError(f"{shown}: {ADAPTER} names no base model; name it with --model")
    try:
        model = resolve_model(wanted, settings)
    except ConsoleError as error:
        hint = "" if base else "; name its base model with --model"
        raise ConsoleError(f"{shown}: {error}{hint}") from None
    template, prompt = _prompt_of(folder, shown)
    return Source(
        Evaluated(
            kind="adapter",
            name=clean_line(name, limit=200),
            weights=str(folder),
            task=_TASKS[kind],
            digest=digest_of(folder),
            prompt=prompt,
        ),
        model,
        clean_line(wanted, limit=200),
        template=template,
    )


def _of_model(folder: Path, name: str) -> Source:
    """A whole model; one that was merged from an adapter brings the prompt that it was trained with."""
    template, prompt = _prompt_of(folder, f'model "{name}"')
    architectures = (read_json_or_none(folder / "config.json") or {}).get("architectures")
    writes = isinstance(architectures, list) and str(architectures[:1]).endswith("ForCausalLM']")
    evaluated = Evaluated(
        kind="model",
        name=name,
        weights=str(folder),
        task="causal" if writes and template is not None else "classifier",
        digest=digest_of(folder),
        prompt=prompt,
    )
    return Source(evaluated, str(folder), name, template=template)


def _prompt_of(folder: Path, shown: str) -> tuple[PromptTemplate | None, str | None]:
    """The template that weights were trained with, and the digest of their prompts, as far as they say."""
    prompt = read_json_or_none(folder / PROMPT) or {}
    template = None
    if prompt.get("template") is not None:
        try:
            template = PromptTemplate.model_validate(prompt["template"])
        except ValidationError:
            raise ConsoleError(f"{shown}: the template in its {PROMPT} cannot be read") from None
    return template, _text(prompt.get("digest"))


def digest_of(folder: Path) -> str:
    """SHA-256 of names and contents of what decides the answers: weights and configuration.

    A checkpoint has a manifest with the checksums of all its files, and is not read for it.

    Raises:
        ConsoleError: a file cannot be read.
    """
    total = hashlib.sha256()
    try:
        if (folder / MANIFEST).is_file():
            return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        for path in sorted({path for pattern in _HASHED for path in folder.glob(pattern)}):
            total.update(f"{path.name}\0".encode())
            with path.open("rb") as stream:
                while block := stream.read(_READ_AT_ONCE):
                    total.update(block)
    except OSError as error:
        raise ConsoleError(f"{clean_line(folder)}: the weights cannot be read: {error.strerror}") from error
    return total.hexdigest()


def verify(evaluated: Evaluated) -> None:
    """Look once more whether the weights of a folder are there, and are those that were submitted.

    Raises:
        ConsoleError: they are not.
    """
    if evaluated.digest is None:
        return
    folder = Path(evaluated.weights)
    shown = f"{evaluated.title}: {clean_line(folder)}"
    if not folder.is_dir():
        back = f"; `nli-console restore {evaluated.name}` may bring it back" if evaluated.method else ""
        raise ConsoleError(f"{shown} is no longer there{back}")
    if digest_of(folder) != evaluated.digest:
        raise ConsoleError(
            f"{shown} holds other weights than when this evaluation was submitted; start a new one"
        )


def _run_folder(text: str) -> RunLayout | None:
    """The run whose folder ``text`` is, wherever that stands."""
    folder = absolute_path(text, current_folder(), "source")
    return RunLayout(folder.resolve()) if (folder / SPEC).is_file() else None


def _product(layout: RunLayout, state: State, product: str) -> tuple[None, Path]:
    target = _target(layout, product)
    if state is not State.FINISHED:
        steps = sorted(whole_checkpoints(layout))
        rest = (
            f"--checkpoint last takes checkpoint-{steps[-1]}, or `nli-console resume {layout.id}` goes on"
            if steps
            else "it has no checkpoint either, so there is nothing to take"
        )
        raise ConsoleError(f"{layout.id} {_ENDED.get(state, state.value)} and has made no {product}: {rest}")
    if not target.is_dir():
        raise ConsoleError(
            f"{layout.id} has finished, but its {product} folder is gone; bring it back or name another run"
        )
    return None, target


def _target(layout: RunLayout, product: str) -> Path:
    return layout.adapter if product == "adapter" else layout.model


def _checkpoint(layout: RunLayout, evidence: Evidence, wanted: str, product: str) -> tuple[int | None, Path]:
    kept = whole_checkpoints(layout)
    steps = ", ".join(map(str, sorted(kept))) or "none"
    shown = clean_line(wanted, limit=40)
    if wanted == LAST and kept:
        step = max(kept)
    elif wanted == BEST:
        target = _target(layout, product)
        if evidence.final is not None and evidence.final.completed and target.is_dir():
            return None, target  # The product is made of the best.
        step = best_step(layout, evidence)
    else:
        step = int(wanted) if wanted.isascii() and wanted.isdigit() else None
        if step is None and wanted != LAST:
            raise ConsoleError(f"--checkpoint {shown}: expected a step, {BEST} or {LAST}; kept are {steps}")
    if step is None or step not in kept:
        raise ConsoleError(
            f"--checkpoint {shown}: {layout.id} has no such checkpoint; kept are {steps} "
            "(checkpoints.keep_after_finish in settings.toml says what stays)"
        )
    return step, kept[step]


def whole_checkpoints(layout: RunLayout) -> dict[int, Path]:
    """Step → folder of the checkpoints that are whole."""
    try:
        paths = list(layout.checkpoints.iterdir())
    except OSError:
        return {}
    return {
        int(match[1]): path
        for path in paths
        if (match := CHECKPOINT_NAME.fullmatch(path.name)) and (path / MANIFEST).is_file()
    }


def best_step(layout: RunLayout, evidence: Evidence) -> int | None:
    """The best step of a run, by the evaluations on the held-out slice; of equals the earliest."""
    if evidence.final is not None and evidence.final.completed:
        step = evidence.final.fields.get("best_step")
        return step if type(step) is int else None
    held = (read_json_or_none(layout.selection) or {}).get("evaluations")
    found = [
        (entry["accuracy"], -entry["step"])
        for entry in (held if isinstance(held, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("accuracy"), float)
        and type(entry.get("step")) is int
    ]
    return -max(found)[1] if found else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
