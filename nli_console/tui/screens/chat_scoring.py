"""What the Chat screen does to score a prompt: a quick check here, a run in the queue, and their errors."""

from collections.abc import Mapping, Sequence

from textual import on

from nli_console.data.browse import Found
from nli_console.data.chat import Check, Load, Prompt, Question
from nli_console.data.helper import Helper, mistaken
from nli_console.data.layouts import TRAIN
from nli_console.data.sample import HELD_OUT
from nli_console.errors import ConsoleError
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.record.trained_adapters import TrainedAdapter
from nli_console.text import clean_line
from nli_console.tui import background, chat_sides, chat_work, launching
from nli_console.tui.chat_desk import Part, Side
from nli_console.tui.chat_examples import ExampleSource
from nli_console.tui.chat_scoring import (
    ALL,
    QUICK_ROWS,
    USUAL_ROWS,
    RunSeen,
    accuracies,
    check_lines,
    draft_of,
    first_scored,
    look_at,
    rows_problem,
    run_lines,
    wrong_rows,
)
from nli_console.tui.chat_work import AdaptersFound, ModelNamed
from nli_console.tui.data_reading import ExamplesFailed, ExamplesRead
from nli_console.tui.messages import Launched, LaunchRefused, RunsDue
from nli_console.tui.screens.chat_asking import AskingScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.screens.prompt import Prompt as TextPrompt
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.painted import Lines


class ScoringScreen(AskingScreen):
    """Adds who answers, the quick check, the run that scores, and the way through their errors."""

    def __init__(self) -> None:
        super().__init__()
        self._answerers: Mapping[str, TrainedAdapter | None] = {chat_sides.BASE: None}
        self._scoring = ""
        """Id of the run that scores the prompt."""
        self._seen: RunSeen | None = None
        self._wrong: list[tuple[str, str, str]] = []
        self._mistakes = ExampleSource(self)
        self._mistakes_of = ""

    def on_mount(self) -> None:
        self.form.offer("answers", (chat_sides.BASE,))
        self.form.offer("versus", (chat_sides.NOTHING,))
        self.watch(self.app, "runs", self._runs_listed, init=False)

    def on_unmount(self) -> None:
        self._mistakes.close()

    # Who answers

    @on(ModelNamed)
    def _look_for_its_adapters(self, event: ModelNamed) -> None:
        # This is called before the handler of the class above, which takes note of the model.
        self._find_adapters(event.load)

    def _find_adapters(self, load: Load | None) -> None:
        runs = self.shell.runs
        if load is not None and any(run.method == "qlora_sft" for run in runs):
            model = load.model
            background.run(lambda: chat_work.find_adapters(model, runs), self, title="Adapters")

    def _runs_listed(self, runs: tuple[RunSummary, ...]) -> None:
        self._find_adapters(self._named.load)
        run = next((run for run in runs if run.id == self._scoring), None)
        if run is not None:
            background.run(lambda: look_at(run), self, title="Scores")

    @on(AdaptersFound)
    def _adapters_found(self, event: AdaptersFound) -> None:
        if self._named.load is not None and event.model == self._named.load.model:
            self._answerers = chat_sides.by_name(event.adapters)
            self.form.offer("answers", tuple(self._answerers))
            self._offer_versus()

    @on(Choice.Changed)
    def _answerer_changed(self, event: Choice.Changed) -> None:
        if event.choice.id == "answers":
            self._use_own_template()
            self._offer_versus()

    def _template_chosen(self) -> None:
        super()._template_chosen()
        self._offer_versus()

    def _use_own_template(self) -> None:
        """An adapter answers best to the words that it was trained with."""
        adapter = self._answerers.get(self.form.choice("answers").value)
        template = None if adapter is None else adapter.template
        if template is None:
            return
        same = [each for each in self._templates.templates if each.digest == template.digest]
        if not same:
            template = template.model_copy(update={"name": f"{template.name}, as trained"})
            self._templates.templates.append(template)
            self._offer_templates(template.name)
        self.form.choice("template").choose((same or [template])[0].name)

    def _offer_versus(self) -> None:
        names = [each.name for each in self._templates.templates]
        who, template = self.form.choice("answers").value, self.form.choice("template").value
        self.form.offer("versus", chat_sides.compared(self._answerers, who, names, template))

    def _sides(self, question: Question) -> Sequence[tuple[Side | None, Prompt]]:
        who = self._answerers.get(self.form.choice("answers").value)
        templates = {each.name: each for each in self._templates.templates}
        versus = self.form.choice("versus").value
        found = chat_sides.sides(question.template, who, versus, self._answerers, templates)
        self.set_class(len(found) > 1, "-two")
        return [(side, question.model_copy(update={"template": side.template})) for side in found]

    # A quick check

    def action_check(self) -> None:
        """Score some rows of the split in the engine."""
        try:
            load, template = self._ready(self.action_check, data=True), self.template
            chooser = self.form.chooser
            if load is None or chooser.spec is None:
                self._say_check("check: looking for model and data")
                return
            if template is None:
                raise ConsoleError("there is no prompt template yet; choose one with f4")
            who = self._answerers.get(self.form.choice("answers").value)
            request = Check(
                template=template,
                shots=self.desk.shots or (),
                data=chooser.spec,
                split=chooser.split,
                rows=QUICK_ROWS,
                seed=self._sampling.seed,
                adapter=Side(template, who).folder,
            )
        except ConsoleError as error:
            self._refuse(str(error))
            return
        self._scoring, self._seen, self._wrong = "", None, []
        self.desk.check(load, request)
        self._say_check("check: waiting for the model")
        self._draw({"model", "problem"})

    def _say_check(self, text: str) -> None:
        self.query_one("#check", Lines).show([[(text, "state-running")]] if text else [])

    def _draw(self, changed: set[Part]) -> None:
        super()._draw(changed)
        if "check" not in changed:
            return
        checked = self.desk.checked
        if self._seen is not None:
            self._show_run()
        elif checked is not None:
            lines = check_lines(checked, self.shell.symbols, self._room)
            self.query_one("#check", Lines).show(lines)
        elif not self.desk.is_pending("check"):
            self._say_check("")

    @property
    def _room(self) -> int:
        return max(self.size.width - 2, 1)

    def _heard(self, changed: set[Part]) -> None:
        super()._heard(changed)
        if "check" in changed and self.desk.checked is not None and self.desk.checked.over:
            self._wrong = wrong_rows(self.desk.checked)

    # A run

    def action_score(self) -> None:
        """Ask how many rows of the split a run of this prompt is to score, and launch it."""
        try:
            load, chosen = self._ready(self.action_score, data=True, shots=False), self.chosen
            if chosen is None or self.editor.is_edited or chosen.name.endswith("as trained"):
                raise ConsoleError(
                    "the template is not saved; f3 and ctrl+s save it, and then a run can name it"
                )
            if self._answerers.get(self.form.choice("answers").value) is not None:
                raise ConsoleError(
                    "a run asks the base model; who answers now is an adapter, whose own run has its figures"
                )
            split = self._scored_split()
        except ConsoleError as error:
            self._waiting = None
            self._refuse(str(error))
            return
        if load is None:
            return
        where = f"of {split or HELD_OUT}, {self.form.chooser.choice('data').value}"
        text = f"Rows {where}, chosen by seed {self._sampling.seed}, or {ALL}. It is a run in the queue."
        prompt = TextPrompt("Score this prompt on how many rows?", text, USUAL_ROWS, check=rows_problem)
        self.app.push_screen(prompt, lambda rows: self._score(load, chosen.name, split, rows))

    def _scored_split(self) -> str:
        """The chosen split; empty where there are only training rows, of which a run holds some out.

        Raises:
            ConsoleError: train was chosen beside others.
        """
        chooser = self.form.chooser
        if chooser.spec is None or chooser.split != TRAIN:
            return chooser.split
        if len(chooser.choice("split").choices) > 1:
            raise ConsoleError("a run takes its demonstrations from train; choose another split to score")
        return ""

    def _score(self, load: Load, template: str, split: str, rows: str | None) -> None:
        if rows is None:
            return
        draft = draft_of(
            load.model_name,
            self.form.chooser.choice("data").value,
            template,
            self.form.shots,
            self._sampling.seed,
            load.quantisation,
            split=split,
            rows=0 if rows == ALL else int(rows),
        )
        settings, seen = self.shell.settings, self.shell.status.machine
        machine = launching.machine_of_reading(seen)
        background.run(
            lambda: launching.launch(draft, [draft.seed], settings, machine), self, title="Score this prompt"
        )

    @on(Launched)
    def _launched(self, event: Launched) -> None:
        self._scoring, self._seen, self._wrong = event.run_id, None, []
        self.post_message(RunsDue())
        holds = "; u unloads the model here, which has the slot that it may wait for"
        text = f"{event.run_id} is in the queue{holds if self.desk.model.load is not None else ''}"
        self.shell.tell(text, title="Score this prompt")

    @on(LaunchRefused)
    def _launch_refused(self, event: LaunchRefused) -> None:
        problems = [text for _, text in event.problems]
        self._refuse(" ".join([*problems, event.text] if event.text else problems))

    @on(RunSeen)
    def _run_seen(self, event: RunSeen) -> None:
        if event.run.id == self._scoring:
            self._seen = event
            self._show_run()

    def _show_run(self) -> None:
        """The run, and below it which of its errors is looked at."""
        if self._seen is None:
            return
        lines = run_lines(self._seen, self.shell.symbols, self._room)
        if self._mistakes_of == self._seen.run.id and self._mistakes.counted:
            lines.append([("error ", "muted"), (clean_line(self._mistakes.counted), "foreground")])
        self.query_one("#check", Lines).show(lines)

    # Errors

    def action_error(self) -> None:
        """Take the next example that the check or the run got wrong."""
        if self._wrong:
            premise, hypothesis, label = self._wrong.pop(0)
            self._wrong.append((premise, hypothesis, label))
            self._take(premise, hypothesis, label)
        elif self._seen is not None and self._seen.run.accuracy:
            self._step_mistakes(self._seen.run)
        elif self._scoring:
            self.shell.tell("The run has not finished; its errors are known then.")
        else:
            self._pick_run()

    def _pick_run(self) -> None:
        """Choose a run of the history whose errors are looked at."""
        runs = {
            run.id: run
            for run in self.shell.runs
            if run.state.state == State.FINISHED and run.method in ("icl", "qlora_sft") and run.accuracy
        }
        if not runs:
            self.shell.tell("No errors are known; c checks some rows, p scores the prompt in a run.")
            return
        rows = [Choosable(run.id, run.name, accuracies(run), run.method) for run in runs.values()]

        def chosen(id: str | None) -> None:
            if id is not None:
                self._scoring, self._seen = id, RunSeen(runs[id], "")
                self._show_run()
                self._step_mistakes(runs[id])

        self.app.push_screen(Picker("Errors of which run?", rows), chosen)

    def _step_mistakes(self, run: RunSummary) -> None:
        if self._mistakes_of != run.id:
            self._mistakes_of = run.id
            layout = run.layout

            def start() -> Helper:
                split = first_scored(layout)
                return mistaken(load_spec(layout).data, split, layout.predictions / f"{split}.parquet")

            self._mistakes.begin(start)
        self._take_mistake(self._mistakes.step(1))

    @on(ExamplesRead)
    def _mistakes_read(self, event: ExamplesRead) -> None:
        waited = self._mistakes.waits
        found = self._mistakes.read(event)
        if found is not None or (waited and event.rows is not None):
            self._take_mistake(found)
        else:
            self._show_run()

    def _take_mistake(self, found: Found | None) -> None:
        if found is not None:
            self._take(found.premise, found.hypothesis, found.label)
            self._show_run()
        elif not self._mistakes.waits:
            known = self._mistakes.known
            last = f"That was the last of its {known:,} errors." if known else "The run got every row right."
            self.shell.tell(last, title="Errors")

    @on(ExamplesFailed)
    def _mistakes_failed(self, event: ExamplesFailed) -> None:
        self._mistakes.failed(event)
        self._refuse(event.text)

    def _take(self, premise: str, hypothesis: str, label: str) -> None:
        self.form.put(premise, hypothesis, label)
        self._render_soon()
