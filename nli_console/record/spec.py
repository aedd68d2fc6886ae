"""``spec.json``: what was asked for, complete enough to run it again anywhere."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import DataSpec
from nli_console.methods.shapes import Task
from nli_console.record.layout import SPEC_VERSION
from nli_console.settings import Cache, Checkpoints, Guards, Queue, Telemetry


class Provenance(BaseModel):
    """Where a run came from. Never holds an environment dump or a token."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    command: list[str] = Field(default_factory=list, description="equivalent `nli-console run …` argv")
    launcher: str = Field(default="cli", description="cli, tui or demo")
    python: str = ""
    platform: str = ""
    host: str = ""
    packages: dict[str, str] = Field(default_factory=dict, description="distribution → version")
    git_commit: str | None = None
    git_dirty: bool | None = None
    settings_path: str | None = None


class Evaluated(BaseModel):
    """What an evaluate-only run scores: weights that stood there when it was submitted.

    It says everything that scoring needs and that is to be known of them afterwards, so that the run of which
    they are may be deleted when this one has finished.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["run", "adapter", "model"] = Field(description="a run's, or a folder's or the hub's")
    name: str = Field(description="id of the run, or the folder or hub id as the user named it")
    weights: str = Field(description="absolute folder of model, adapter or checkpoint, or hub id")
    task: Task = Field(default="classifier", description="the head that answers")
    method: str | None = Field(default=None, description="that the run was trained with")
    hyperparameters: dict[str, Any] = Field(default_factory=dict, description="of the run")
    step: int | None = Field(
        default=None, description="optimiser step of the checkpoint; none of a finished product"
    )
    digest: str | None = Field(default=None, description="SHA-256 of the weights' files; none of a hub model")
    prompt: str | None = Field(default=None, description="digest of the prompts that it was trained on")
    trained_on: str | None = Field(default=None, description="source of the rows that the run was trained on")

    @property
    def title(self) -> str:
        """``20261125-…-lora-demo-3f2a, checkpoint-40``."""
        return self.name if self.step is None else f"{self.name}, checkpoint-{self.step}"


class RunSpec(BaseModel):
    """One run, as submitted; written once and never changed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = SPEC_VERSION
    id: str
    name: str = Field(description="human name: data, never a path")
    group: str | None = Field(
        default=None,
        description="id that the runs launched together share; nothing else of a group is stored",
    )
    method: str = Field(description="its name, or evaluate")
    evaluates: Evaluated | None = Field(default=None, description="of an evaluate-only run: what it scores")
    hyperparameters: dict[str, Any] = Field(description="complete, as validated by the method")
    changed: dict[str, Any] = Field(default_factory=dict, description="values that differ from the preset's")
    preset: str | None = None
    template: PromptTemplate | None = Field(
        None, description="the prompt template that the hyperparameters name, where the method uses one"
    )
    model: str = Field(description="hub id, or absolute folder")
    model_name: str = Field(description="as the user named it")
    data: DataSpec
    seed: int = Field(1, ge=0, lt=2**32)
    submitted: float = Field(description="seconds since the epoch")
    ignored_checks: list[str] = Field(
        default_factory=list, description="checks before the launch that the user overrode"
    )
    time_limit: float | None = Field(None, gt=0, description="seconds of one attempt")
    cache_dir: str = Field(description="absolute")
    cache: Cache = Cache()
    checkpoints: Checkpoints = Checkpoints()
    guards: Guards = Guards()
    report_to: list[str] = Field(default_factory=list, description="experiment trackers")
    queue: Queue = Queue()
    telemetry: Telemetry = Telemetry()
    on_finish: list[str] = Field(
        default_factory=list, description="argv started by the supervisor when the run ends"
    )
    environment: dict[str, str] = Field(default_factory=dict, description="extra variables of the worker")
    provenance: Provenance = Provenance()
