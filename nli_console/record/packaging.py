"""What ``nli-console package`` is to put together, from what a person names."""

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.base import Method
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.fields import require
from nli_console.record.dossier import Dossier, read_dossier
from nli_console.record.evidence import gather
from nli_console.record.layout import RunLayout
from nli_console.record.model_card import Form, model_card
from nli_console.record.sources import named_run, of_run
from nli_console.record.spec import Evaluated
from nli_console.settings import current_folder
from nli_console.text import clean_line

_MERGED = ("lora", "qlora_sft", "qlora_classifier")
"""Methods whose adapter is an update of weights, which can be added to them."""


class Package(BaseModel):
    """What ``python -m nli_console.worker package`` is asked.

    Attributes:
        evaluates: the weights, and how the run made them.
        model: base model, a folder or hub id; ``model_name`` is the user's word for it.
        hyperparameters: of :class:`EvaluationHyperparameters`: how the weights are loaded.
        copied: whether the files of the weights are taken as they are; else they are loaded and saved.
        merge: whether an adapter is added to the full-precision weights.
        target: folder to make.
        card: content of its ``README.md``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    evaluates: Evaluated
    model: str
    model_name: str
    hyperparameters: dict[str, object]
    template: PromptTemplate | None = None
    copied: bool
    merge: bool = False
    target: str
    card: str


def compose_package(
    text: str,
    runs_dir: Path,
    target: Path | None = None,
    *,
    merge: bool = False,
    checkpoint: str | None = None,
) -> Package:
    """The request for the run that ``text`` names; ``target`` is by default its id, in the current folder.

    Raises:
        ConsoleError: no such run, it has made nothing, it cannot be merged, or the target is taken.
    """
    layout = named_run(text, runs_dir) if text.strip() else None
    if layout is None:
        raise ConsoleError(
            f'no run is called "{clean_line(text, limit=80)}"; `nli-console list` shows those there are'
        )
    _trained(read_dossier(layout))
    source = of_run(layout, checkpoint)
    evaluated = source.evaluated
    method = registry.get(evaluated.method or "")
    if merge and method.name not in _MERGED:
        why = (
            "is a whole model already"
            if method.product == "model"
            else "puts trained tokens before the text, which cannot be added to any weights"
        )
        raise ConsoleError(f"--merge: what {method.name} makes {why}; leave it out")
    form: Form = "merged" if merge else "adapter" if method.product == "adapter" else "model"
    values = {**source.values, **({"quantisation": "none"} if merge else {})}
    return Package(
        evaluates=evaluated,
        model=source.model,
        model_name=source.model_name,
        hyperparameters=require(EvaluationHyperparameters, values).model_dump(mode="json"),
        template=source.template,
        copied=evaluated.step is None and not merge,
        merge=merge,
        target=str(check_target(current_folder() / layout.id if target is None else target)),
        card=card_of(layout, form, evaluated.step),
    )


def card_of(layout: RunLayout, form: Form | None = None, step: int | None = None) -> str:
    """The model card of a run, or of its checkpoint at ``step``; ``form`` is by default what it made.

    Raises:
        ConsoleError: the run's record cannot be read, or it trains nothing.
    """
    dossier = read_dossier(layout)
    method = _trained(dossier)
    final = gather(layout).final
    if step is not None and (final is None or final.fields.get("best_step") != step):
        # The figures are those of other weights.
        dossier = replace(dossier, reports=(), summary=replace(dossier.summary, accuracy={}))
    names = dossier.begin.get("labels")
    labels = [clean_line(name, limit=80) for name in names] if isinstance(names, list) else list(LABELS)
    made: Form = form or ("adapter" if method.product == "adapter" else "model")
    return model_card(dossier, made, labels=[] if method.task == "causal" else labels)


def _trained(dossier: Dossier) -> Method:
    """The method that made something; raises ``ConsoleError`` where nothing was made."""
    if dossier.spec is None:
        raise ConsoleError(dossier.problem)
    if dossier.spec.evaluates is not None:
        what = clean_line(dossier.spec.evaluates.title)
        raise ConsoleError(f"{dossier.layout.id} trained nothing, it evaluated {what}; name that one")
    method = registry.get(dossier.spec.method)
    if method.product is None:
        raise ConsoleError(
            f"{dossier.layout.id} trained nothing ({dossier.spec.method} asks a model as it is), so there is "
            "no adapter or model of its own; name a run that trained one"
        )
    return method


def check_target(folder: Path) -> Path:
    """Raises ``ConsoleError`` unless ``folder`` is new or empty, in a folder that is there."""
    shown = clean_line(folder, limit=300)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConsoleError(f"--output {shown}: is no folder; name another")
    try:
        taken = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise ConsoleError(f"--output {shown}: cannot be read: {error.strerror}") from error
    if taken:
        raise ConsoleError(f"--output {shown}: is there already and holds files; name another, or empty it")
    if not folder.parent.is_dir():
        raise ConsoleError(f"--output {shown}: there is no folder {clean_line(folder.parent, limit=300)}")
    return folder
