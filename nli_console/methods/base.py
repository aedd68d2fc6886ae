"""What a method is, and the hyperparameters that methods share.

A hyperparameter is declared once, as a pydantic field made by :func:`hyperparameter`; the form, the
command line, the presets, the README table and every message are rendered from that declaration.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import dtype
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes, Task

Family = Literal["encoder", "decoder"]
Product = Literal["model", "adapter"]


def hyperparameter(
    default: Any,
    help: str,
    *,
    group: str,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one hyperparameter: default, help, bounds, unit and the group it is shown under."""
    return Field(
        default,
        description=help,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        json_schema_extra={"unit": unit, "group": group, "advanced": advanced},
    )


class Hyperparameters(BaseModel):
    """Base of every method's hyperparameters: unknown names, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    def conflicts(self) -> list[tuple[str, str]]:
        """Values that are fine alone but not together, as (field, what is wrong); subclasses add theirs."""
        return []


class TrainingHyperparameters(Hyperparameters):
    """What every gradient-trained method has. ``batch_size`` is per optimiser step and device pass:
    the effective batch is ``batch_size × gradient_accumulation_steps``."""

    learning_rate: float = hyperparameter(1e-5, "peak learning rate", group="optimiser", gt=0, le=1)
    batch_size: int = hyperparameter(
        32, "examples in one forward pass", group="optimiser", unit="examples", ge=1, le=4096
    )
    gradient_accumulation_steps: int = hyperparameter(
        1,
        "forward passes added up before one optimiser step",
        group="optimiser",
        unit="passes",
        ge=1,
        le=1024,
    )
    epochs: float = hyperparameter(
        3.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )
    max_steps: int = hyperparameter(
        0,
        "stop after this many optimiser steps; 0 means by epochs",
        group="optimiser",
        unit="steps",
        ge=0,
        advanced=True,
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = hyperparameter(
        "adamw", "optimiser; the 8-bit ones come from bitsandbytes", group="optimiser", advanced=True
    )
    weight_decay: float = hyperparameter(0.01, "decoupled weight decay", group="optimiser", ge=0, le=1)
    adam_beta2: float = hyperparameter(
        0.999, "second-moment decay of AdamW", group="optimiser", gt=0, lt=1, advanced=True
    )
    adam_epsilon: float = hyperparameter(
        1e-8, "denominator constant of AdamW", group="optimiser", gt=0, le=1, advanced=True
    )
    max_grad_norm: float = hyperparameter(
        1.0,
        "gradient norm is clipped to this; 0 switches clipping off",
        group="optimiser",
        ge=0,
        le=1000,
        advanced=True,
    )
    warmup: float = hyperparameter(
        0.06, "share of the steps in which the learning rate rises", group="schedule", ge=0, lt=1
    )
    schedule: Literal["linear", "cosine", "constant"] = hyperparameter(
        "linear", "how the learning rate falls after the warm-up", group="schedule"
    )
    max_length: int = hyperparameter(
        256, "pairs longer than this are truncated", group="input", unit="tokens", ge=8, le=8192
    )
    group_by_length: bool = hyperparameter(
        True, "batches of similar length, less padding", group="input", advanced=True
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = hyperparameter(
        "auto", "arithmetic of the forward pass; auto is bf16 where the hardware has it", group="hardware"
    )
    gradient_checkpointing: bool = hyperparameter(
        False,
        "recompute activations in the backward pass: less memory, about 20 % slower",
        group="hardware",
        advanced=True,
    )
    evaluations: int = hyperparameter(
        10,
        "evaluations on the held-out slice during training",
        group="selection",
        unit="times",
        ge=0,
        le=1000,
    )
    select_best: bool = hyperparameter(
        True, "keep the checkpoint with the best held-out accuracy instead of the last", group="selection"
    )
    early_stopping_patience: int = hyperparameter(
        0,
        "stop after this many evaluations without improvement; 0 never stops early",
        group="selection",
        unit="evaluations",
        ge=0,
        le=1000,
    )

    @property
    def virtual_tokens(self) -> int:
        """Positions of the model that trained tokens take from the text."""
        return 0

    def conflicts(self) -> list[tuple[str, str]]:
        found = super().conflicts()
        if self.early_stopping_patience and not self.evaluations:
            found.append(
                ("early_stopping_patience", "needs evaluations during training, but --evaluations is 0")
            )
        return found


class ModelLoader(Protocol):
    """What the worker hands to a method: it loads the base model with three labels by name."""

    @property
    def model_name(self) -> str:
        """The model as the user named it, for messages."""
        ...

    @property
    def compute_dtype(self) -> "dtype":
        """What the forward pass of this run computes in."""
        ...

    def shapes(self, task: "Task") -> "ModelShapes":
        """Modules of the model as :meth:`classifier` or :meth:`causal` would load it, without its weights."""
        ...

    def classifier(self, **options: Any) -> "Module":
        """The model with a sequence-classification head; ``options`` go to ``from_pretrained``."""
        ...

    def causal(self, **options: Any) -> "Module":
        """The model with its language-model head; ``options`` go to ``from_pretrained``."""
        ...

    def masked(self, **options: Any) -> "Module":
        """The model with its masked-language-model head; ``options`` go to ``from_pretrained``."""
        ...


class Method(ABC):
    """One way to make a model solve NLI.

    One stateless subclass per file of this package; the registry finds it there. ``position`` orders the
    methods in lists; ``reference`` is the paper; ``report_accuracy`` the figure of the report (0 to 1), and
    ``published_accuracy`` the best on validation_matched that is published for the model of the presets, by
    ``published_source``.
    ``task`` is the head with which the base model is loaded; ``quantises`` says that it is stored in 4 bits.
    ``product`` is what a run leaves behind, ``None`` for nothing.
    ``trains``: whether there is anything to train; then ``Hyperparameters`` are
    :class:`TrainingHyperparameters`. A hyperparameter called ``template`` names the prompt template that the
    pairs are put into; without one the model reads plain pairs.
    ``on_features``: nothing below the added layers is trained, so the worker runs the encoder once over every
    row and trains the rest on what came out.
    """

    position: ClassVar[int]
    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    family: ClassVar[Family]
    product: ClassVar[Product | None]
    Hyperparameters: ClassVar[type[Hyperparameters]]
    task: ClassVar["Task"] = "classifier"
    quantises: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    report_accuracy: ClassVar[float | None] = None
    published_accuracy: ClassVar[float | None] = None
    published_source: ClassVar[str] = ""
    on_features: ClassVar[bool] = False

    @property
    def max_length(self) -> int:
        """Tokens after which a row is cut unless the user says otherwise."""
        return getattr(self.Hyperparameters(), "max_length", TrainingHyperparameters().max_length)

    @abstractmethod
    def build(self, loader: ModelLoader, hyperparameters: Any) -> "Module":
        """Load the base model and return the one to train, ``requires_grad`` set. Imports torch inside."""

    @abstractmethod
    def count(self, shapes: "ModelShapes", hyperparameters: Any) -> "ParameterCounts":
        """Exact trainable and total parameters, by arithmetic on the module shapes (no torch).

        Raises:
            ConsoleError: when a target name matches no module.
        """

    def plan(self, shapes: "ModelShapes", hyperparameters: Any) -> "TrainingPlan | None":
        """What is trained, updated and quantised, for the memory estimate; ``None`` leaves that unknown.

        A method that trains nothing has a plan too, which says how its weights are stored.

        Raises:
            ConsoleError: as :meth:`count`.
        """
        return None


@dataclass(frozen=True)
class TrainingPlan:
    """How training treats the modules of a model.

    Attributes:
        trained: names of modules whose own parameters are trained.
        embeddings: whether the token embeddings are among them.
        adapted: name of a frozen linear module → rank of its update.
        update_dropout: whether the updates read their input through dropout.
        added: parameters that are trained and not the model's own.
        copied: parameters of which an untrained copy stands beside the trained ones.
        virtual_tokens: trained tokens put before the input.
        quantised: names of modules stored in ``quantised_bits``, 4 or 8.
        double_quantised: whether their scales are quantised too.
        frozen_in_precision: whether frozen parameters that are not quantised are kept in what the forward
            pass computes in, and not in fp32.
        scored_positions: tokens of a row at which the whole vocabulary is scored.
    """

    trained: frozenset[str] = frozenset()
    embeddings: bool = False
    adapted: Mapping[str, int] = field(default_factory=dict)
    update_dropout: bool = False
    added: int = 0
    copied: int = 0
    virtual_tokens: int = 0
    quantised: frozenset[str] = frozenset()
    quantised_bits: int = 4
    double_quantised: bool = False
    frozen_in_precision: bool = False
    scored_positions: int = 0


class ParameterCounts(BaseModel):
    """Total is base plus added parameters, the head counted once, quantised weights counted unpacked."""

    model_config = ConfigDict(frozen=True)

    trainable: int
    total: int
