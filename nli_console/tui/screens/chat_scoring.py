"""What the Chat screen does to score a prompt: a quick check here, a run in the queue, and their errors."""

from collections.abc import Mapping, Sequence

from textual import on

from nli_console.data.chat import Check, Prompt, Question
from nli_console.data.helper import Helper, mistaken
from nli_console.errors import ConsoleError
from nli_console.record.spec_io import load_spec
from nli_console.record.summary import RunSummary
from nli_console.record.trained_adapters import TrainedAdapter
from nli_console.tui import background, chat_sides, chat_work, launching
from nli_console.tui.chat_desk import Part, Side
from nli_console.tui.chat_examples import ExampleSource
from nli_console.tui.chat_scoring import (
    QUICK_ROWS,
    RunSeen,
    check_line,
    draft_of,
    first_scored,
    look_at,
    run_line,
    wrong_rows,
)
from nli_console.tui.chat_work import AdaptersFound, ModelNamed
from nli_console.tui.data_reading import ExamplesFailed, ExamplesRead
from nli_console.tui.messages import Launched, LaunchRefused, RunsDue
from nli_console.tui.screens.chat_asking import AskingScreen
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
    def _find_adapters(self) -> None:
        load, runs = self._named.load, self.shell.runs
        if load is not None and any(run.method == "qlora_sft" for run in runs):
            model = load.model
            background.run(lambda: chat_work.find_adapters(model, runs), self, title="Adapters")

    def _runs_listed(self, runs: tuple[RunSummary, ...]) -> None:
        self._find_adapters()
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
            load, template = self._load(), self.template
            chooser = self.form.chooser
            if chooser.spec is None:
                raise ConsoleError("no data is open yet; f2 takes an example and opens it")
            if self.desk.shots is None or load is None or template is None:
                raise ConsoleError("model and demonstrations are still being looked up; try again")
            who = self._answerers.get(self.form.choice("answers").value)
            request = Check(
                template=template,
                shots=self.desk.shots,
                data=chooser.spec,
                split=chooser.split,
                rows=QUICK_ROWS,
                seed=self._sampling.seed,
                adapter=Side(template, who).folder,
            )
        except ConsoleError as error:
            self._ask_when_ready = False
            self._refuse(str(error))
            return
        self._scoring, self._seen, self._wrong = "", None, []
        self.desk.check(load, request)
        self.query_one("#check", Lines).show([[("check: waiting for the model", "state-running")]])
        self._draw({"model", "problem"})

    def _draw(self, changed: set[Part]) -> None:
        super()._draw(changed)
        if "check" not in changed:
            return
        checked = self.desk.checked
        shown = [] if checked is None else [check_line(checked, self.shell.symbols)]
        if checked is not None and checked.over:
            self._wrong = wrong_rows(checked)
        self.query_one("#check", Lines).show(shown)

    # A run that scores every row

    def action_score(self) -> None:
        """Launch a run of this prompt."""
        load, chosen = self._named.load, self.chosen
        if load is None or chosen is None:
            self._refuse(self._named.problem or "the model is still being looked up; try again")
            return
        if self.editor.is_edited or chosen.name.endswith("as trained"):
            self._refuse("the template is not saved; f3 and ctrl+s save it, and then a run can name it")
            return
        draft = draft_of(
            load.model_name,
            self.form.chooser.choice("data").value,
            chosen.name,
            self.form.shots,
            self._sampling.seed,
            load.quantisation,
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
            self.query_one("#check", Lines).show([run_line(event, self.shell.symbols)])

    # Errors

    def action_error(self) -> None:
        """Take the next example that the check or the run got wrong."""
        if self._wrong:
            premise, hypothesis, label = self._wrong.pop(0)
            self._wrong.append((premise, hypothesis, label))
            self._take(premise, hypothesis, label)
        elif self._seen is not None and self._seen.run.accuracy:
            self._step_mistakes(self._seen.run)
        else:
            self.shell.tell("No errors are known; c checks some rows, p scores the prompt in a run.")

    def _step_mistakes(self, run: RunSummary) -> None:
        if self._mistakes_of != run.id:
            self._mistakes_of = run.id
            layout = run.layout

            def start() -> Helper:
                split = first_scored(layout)
                return mistaken(load_spec(layout).data, split, layout.predictions / f"{split}.parquet")

            self._mistakes.begin(start, same_split=False)
        found = self._mistakes.step(1)
        if found is not None:
            self._take(found.premise, found.hypothesis, found.label)

    @on(ExamplesRead)
    def _mistakes_read(self, event: ExamplesRead) -> None:
        found = self._mistakes.read(event)
        if found is not None:
            self._take(found.premise, found.hypothesis, found.label)
        elif event.rows is not None and self._mistakes.status == "no example passes":
            self.shell.tell("The run got every row right.")

    @on(ExamplesFailed)
    def _mistakes_failed(self, event: ExamplesFailed) -> None:
        self._mistakes.failed(event)
        self._refuse(event.text)

    def _take(self, premise: str, hypothesis: str, label: str) -> None:
        self.form.put(premise, hypothesis, label)
        self._render_soon()
