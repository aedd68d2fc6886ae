"""Which model is asked, and how: options that ``prompt`` and ``templates try`` share, and what they name."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from nli_console.cli.context import Context
from nli_console.data.chat import Load, refuse_masked
from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.errors import ConsoleError
from nli_console.methods import presets
from nli_console.methods.fields import require
from nli_console.methods.icl import IclHyperparameters
from nli_console.record.trained_adapters import TrainedAdapter, adapter_of
from nli_console.supervisor.chat import load_request

Shots = Annotated[
    int, Parameter(help="solved training pairs before the question, with balanced labels; 0…256")
]
Model = Annotated[
    str | None,
    Parameter(help="a language model (default: the adapter's base, else that of the settings' [chat])"),
]
Adapter = Annotated[
    str | None,
    Parameter(help="a finished qlora_sft run whose adapter answers: its id, a beginning of it, its name"),
]
Quantisation = Annotated[
    Literal["none", "8-bit", "nf4"] | None,
    Parameter(help="how the weights are stored (default: the settings' [chat])"),
]


@dataclass(frozen=True)
class Choice:
    """What is put to which model."""

    load: Load
    adapter: TrainedAdapter | None
    template: PromptTemplate

    @property
    def adapter_folder(self) -> str:
        """As requests name it; empty for the base model."""
        return "" if self.adapter is None else str(self.adapter.folder)


def choose(
    model: str | None,
    adapter: str | None,
    template: str | None,
    quantisation: Literal["none", "8-bit", "nf4"] | None,
    context: Context,
) -> Choice:
    """What was named on the command line, found.

    Without a template that of the adapter is taken; without one, that with which an ``icl`` run of the model
    starts.

    Raises:
        ConsoleError: there is no such model, run or template, or they cannot be used.
    """
    trained = None if adapter is None else _adapter(adapter, context)
    if model is None and trained is not None:
        name, place = trained.model_name, trained.model
    else:
        name, place = model or context.settings.values.chat.model, None
    load = load_request(name, context.settings, place=place, quantisation=quantisation)
    if template is None and trained is not None and trained.template is not None:
        return Choice(load, trained, trained.template)
    wanted = template or str(presets.default_for("icl", name).hyperparameters.get("template", "recommended"))
    found = catalogue.load(wanted, context.user_folder)
    refuse_masked(found)
    return Choice(load, trained, found)


def chosen_seed(seed: int | None, context: Context) -> int:
    """The seed of the command line, else the settings'; raises ``ConsoleError`` for one out of bounds."""
    if seed is not None and not 0 <= seed < 2**32:
        raise ConsoleError(f"--seed {seed}: must be a whole number from 0 to 4294967295")
    return context.settings.values.defaults.seed if seed is None else seed


def check_shots(shots: int) -> None:
    """Raises ``ConsoleError`` for a number out of bounds."""
    require(IclHyperparameters, {"shots": shots})


def _adapter(text: str, context: Context) -> TrainedAdapter:
    found = context.find(text)
    if found.group is not None:
        raise ConsoleError(
            f"--adapter {text}: a group of {len(found.layouts)} runs; name one of them, such as "
            f"{found.layouts[0].id}"
        )
    return adapter_of(found.layouts[0])
