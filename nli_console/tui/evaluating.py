"""Evaluating a run from the Runs screen: what can be, what is asked, and how it is started."""

from textual.screen import Screen

from nli_console.data.check import check
from nli_console.methods import registry
from nli_console.methods.fields import parse
from nli_console.record.compose import EvaluationDraft, compose_evaluation
from nli_console.record.run_fields import BY_NAME
from nli_console.record.sources import LAST, find_source
from nli_console.record.spec import RunSpec
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.settings import LoadedSettings
from nli_console.supervisor.preflight import Machine
from nli_console.tui.background import run
from nli_console.tui.launching import start
from nli_console.tui.messages import Launched, OpenRun, RunsDue
from nli_console.tui.screens.evaluate import EvaluateDialog, Evaluation
from nli_console.tui.suggestions import known_data


def problem_of(held: RunSummary) -> str | None:
    """Why a run cannot be evaluated, as far as the history shows it."""
    method = registry.methods().get(held.method)
    if held.evaluates:
        return "it is an evaluation itself; c evaluates the same again on other data"
    if method is None or method.product is None:
        return "it trained nothing"
    if held.state.state.live:
        return f"it is {held.state.state.value}, and its weights still change; x stops it"
    return None


def first_of(held: RunSummary) -> Evaluation:
    """What to begin with: what the run made, or the last checkpoint of one that did not finish."""
    # A run of another folder is named by where it stands.
    return Evaluation(
        str(held.path) if held.root else held.id,
        held.data,
        checkpoint="" if held.state.state is State.FINISHED else LAST,
    )


def again_of(spec: RunSpec) -> Evaluation | None:
    """What an evaluation asked for; ``None`` where it evaluates no run."""
    evaluated = spec.evaluates
    if evaluated is None or evaluated.method is None:
        return None
    return Evaluation(
        evaluated.name,
        spec.data.name,
        ",".join(spec.data.evaluate_on),
        f"{spec.data.fraction:g}",
        "" if evaluated.step is None else str(evaluated.step),
    )


def ask(
    screen: Screen[None], title: str, asked: Evaluation, settings: LoadedSettings, machine: Machine
) -> None:
    """Open the dialog; what it launches is selected on ``screen``."""

    def launch_from(dialog: EvaluateDialog, asked: Evaluation) -> None:
        run(lambda: launch(asked, settings, machine), dialog, title="evaluate")

    def launched(run_id: str | None) -> None:
        if run_id is not None:
            screen.post_message(RunsDue())
            screen.post_message(OpenRun(run_id))

    datasets = known_data(settings.values)
    screen.app.push_screen(EvaluateDialog(f"Evaluate {title}", asked, launch_from, datasets), launched)


def launch(asked: Evaluation, settings: LoadedSettings, machine: Machine) -> Launched:
    """Compose, submit and start an evaluate-only run.

    Raises:
        ConsoleError: it cannot be started; nothing was.
    """
    source = find_source(asked.run, settings.runs_dir, settings, checkpoint=asked.checkpoint or None)
    own = source.data is not None and asked.data == source.data.name
    draft = EvaluationDraft(
        source,
        data=None if own else asked.data,
        splits=tuple(name for part in asked.splits.split(",") if (name := part.strip())),
        fraction=parse(BY_NAME["fraction"], asked.fraction or "1"),
        seed=settings.values.defaults.seed,
        launcher="tui",
    )
    spec = compose_evaluation(draft, settings)
    check(spec.data, train=False)
    return start(spec, settings, machine)
