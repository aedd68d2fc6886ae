"""What the Chat screen does when something is edited, asked or answered; how it looks is elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, cast

from textual import on
from textual.timer import Timer

from nli_console.data.chat import Dialogue, Load, Prompt, Quantisation, Question, Sampling, refuse_masked
from nli_console.data.prompts import PromptTemplate, Turn
from nli_console.data.prompts.catalogue import Catalogue
from nli_console.errors import ConsoleError
from nli_console.record.transcripts import Said
from nli_console.text import clean_line
from nli_console.tui import background, chat_sides, chat_work
from nli_console.tui.chat_desk import Desk, Part, Problem, Reply, Side
from nli_console.tui.chat_link import ChatLink, ChatTold
from nli_console.tui.chat_record import ChatRecord
from nli_console.tui.chat_work import ModelNamed, TemplatesRead
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.example_chooser import ExampleChooser
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.pair_form import PairForm
from nli_console.tui.widgets.prompt_view import PromptView
from nli_console.tui.widgets.reply_lines import model_line
from nli_console.tui.widgets.reply_panel import ReplyPanel
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.settings_form import SettingsForm
from nli_console.tui.widgets.talk_panel import TalkPanel
from nli_console.tui.widgets.template_form import TemplateForm
from nli_console.tui.widgets.text_box import TextBox
from nli_console.tui.widgets.text_input import TextInput

Left = Literal["pair", "talk", "template", "settings"]
"""What stands on the left."""
_SETTLE = 0.3
"""Seconds without a key after which the prompt is rendered again."""
_MOST_SHOTS = 256


class AskingScreen(ConsoleScreen):
    """Holds what the pane knows: the model, the templates, the engine's desk, the transcript."""

    def __init__(self) -> None:
        super().__init__()
        self._named = ModelNamed(None, "")
        self._templates = Catalogue([], [])
        self._sampling = Sampling()
        self._waiting: Callable[[], None] | None = None
        """What is done as soon as model, data and demonstrations are there."""
        self._settling: Timer | None = None
        self.left: Left = "pair"
        self.record = ChatRecord(self)
        self.link: ChatLink
        self.desk: Desk

    def on_mount(self) -> None:
        settings = self.shell.settings
        self.link = ChatLink(self, settings.values.launch.environment)
        self.desk = Desk(self.link)
        self._sampling = self._sampling.model_copy(update={"seed": settings.values.defaults.seed})
        self._name_model(settings.values.chat.model, settings.values.chat.quantisation)
        background.run(chat_work.read_templates, self, title="Prompt templates")
        self._draw({"model", "prompt", "replies"})

    def on_unmount(self) -> None:
        self.link.close()

    def on_resize(self) -> None:
        self._draw({"model", "problem", "check"})

    @property
    def form(self) -> PairForm:
        return self.query_one(PairForm)

    @property
    def talk(self) -> TalkPanel:
        return self.query_one(TalkPanel)

    @property
    def editor(self) -> TemplateForm:
        return self.query_one(TemplateForm)

    # What was looked up

    def _name_model(self, name: str, weights: str) -> None:
        settings = self.shell.settings
        quantisation = cast("Quantisation", weights)
        background.run(lambda: chat_work.name_model(name, quantisation, settings), self, title="Model")

    @on(ModelNamed)
    def _model_named(self, event: ModelNamed) -> None:
        if event.problem:
            self._waiting = None
            self._named = replace(self._named, problem=event.problem)
            self._refuse(event.problem)
            return
        if self.desk.problem is not None and self.desk.problem.text == self._named.problem:
            self.desk.problem = None
        self._named = event
        self._offer_templates(event.template)
        self._draw({"model", "problem"})
        self._go_on()

    @on(SettingsForm.ModelChosen)
    def _model_chosen(self, event: SettingsForm.ModelChosen) -> None:
        self._name_model(event.name, event.weights)

    @on(SettingsForm.SamplingChanged)
    def _sampling_changed(self, event: SettingsForm.SamplingChanged) -> None:
        reseeded = event.sampling.seed != self._sampling.seed
        self._sampling = event.sampling
        if reseeded and self.form.shots:
            self._demonstrate()
        self._render_soon()

    @on(TemplatesRead)
    def _templates_read(self, event: TemplatesRead) -> None:
        asked = [each for each in event.templates.templates if each.format != "masked"]
        self._templates = replace(event.templates, templates=asked)
        if event.use:
            self.form.choice("template").value = event.use
            self.shell.tell(f"{event.use} is saved; icl runs can name it, too.", title="Prompt template")
        self._offer_templates(self._named.template)
        for problem in event.templates.problems:
            self.shell.tell(problem, title="Prompt template", severity="warning")

    def _offer_templates(self, wanted: str) -> None:
        """Offer what there is; a template that the user has chosen stays."""
        names = tuple(each.name for each in self._templates.templates)
        choice = self.form.choice("template")
        if names:
            self.form.offer("template", names, wanted if not choice.value and wanted in names else None)
            self._template_chosen()

    @property
    def chosen(self) -> PromptTemplate | None:
        """The chosen template, as it is saved."""
        name = self.form.choice("template").value
        return next((each for each in self._templates.templates if each.name == name), None)

    @property
    def template(self) -> PromptTemplate | None:
        """The chosen template, as it is edited.

        Raises:
            ConsoleError: the edits make no template yet.
        """
        return None if self.chosen is None else self.editor.template()

    def _template_chosen(self) -> None:
        if self.chosen is not None:
            self.editor.show(self.chosen)
            self._render_soon()

    # The form

    @on(ExampleChooser.DataReady)
    def _data_ready(self, event: ExampleChooser.DataReady) -> None:
        if event.problem:
            self._waiting = None
            self._refuse(event.problem)
        else:
            self._demonstrate()
            self._go_on()

    @on(PairForm.Edited)
    @on(TemplateForm.Edited)
    def _edited(self) -> None:
        self._render_soon()

    @on(TextBox.Changed, "#message")
    def _message_edited(self) -> None:
        self._render_soon()

    @on(TextInput.Changed, "#shots")
    def _shots_changed(self) -> None:
        if self.form.chooser.spec is None and self.form.shots:
            self.form.chooser.need()
        else:
            self._demonstrate()

    @on(Choice.Changed)
    def _choice_changed(self, event: Choice.Changed) -> None:
        if event.choice.id == "template":
            self._template_chosen()

    def _demonstrate(self) -> None:
        if self.form.shots > _MOST_SHOTS:
            self._refuse(f"shots {self.form.shots}: must be at most {_MOST_SHOTS}")
            return
        if self.form.chooser.spec is not None or not self.form.shots:
            self.desk.demonstrate(self.form.chooser.spec, self.form.shots, self._sampling.seed)
        self._draw({"shots"})
        self._render_soon()

    # The prompt

    def _question(self) -> Question:
        """The pair in its template.

        Raises:
            ConsoleError: the template is none.
        """
        template = self.template
        if template is None:
            raise ConsoleError("there is no prompt template yet; choose one with f4")
        refuse_masked(template)
        return Question(
            template=template,
            premise=self.form.premise,
            hypothesis=self.form.hypothesis,
            shots=self.desk.shots or (),
        )

    def _dialogue(self) -> Dialogue:
        """The free conversation with what is about to be said."""
        return Dialogue(turns=(*self.record.turns, Turn("user", self.talk.box.text)))

    def _render_soon(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._render_now)

    def _render_now(self) -> None:
        if self._named.load is None or self.desk.shots is None:
            return
        talks = self.left == "talk"
        written = self.talk.box.text if talks else self.form.premise + self.form.hypothesis
        if not written.strip():
            return
        try:
            prompt: Prompt = self._dialogue() if talks else self._question()
        except ConsoleError as error:
            self.desk.rendered, self.desk.unsaid = None, str(error)
        else:
            self.desk.render(self._named.load, prompt, self._sampling.max_new_tokens)
        self._draw({"prompt", "replies"})

    # Asking

    def action_ask(self) -> None:
        """Put the question, as soon as all is there that it needs."""
        self._waiting = None
        try:
            if self.left == "talk":
                self._say()
            else:
                self._ask()
        except ConsoleError as error:
            self._refuse(str(error))

    def _ready(self, act: Callable[[], None], *, data: bool = False, shots: bool = True) -> Load | None:
        """What loads the model; ``None`` while something is looked up: then ``act`` is called again.

        Args:
            data: whether the dataset is needed; ``shots``: whether the demonstrations are.

        Raises:
            ConsoleError: there is no such model.
        """
        if self._named.problem:
            raise ConsoleError(self._named.problem)
        shown = shots and self.form.shots > 0
        unknown = (data or shown) and self.form.chooser.spec is None
        if unknown:
            self.form.chooser.need()
        if unknown or self._named.load is None or (shown and self.desk.shots is None):
            self._waiting = act
            return None
        return self._named.load

    def _go_on(self) -> None:
        act, self._waiting = self._waiting, None
        if act is not None:
            act()

    def _ask(self) -> None:
        self._question().refuse_empty()
        load = self._ready(self.action_ask)
        if load is not None:
            sides = self._sides(self._question())
            self._cut()
            self.desk.ask(load, sides, self._sampling, self.form.gold)
            self.record.ask(self.desk.replies[0])
            self._asked()

    def _cut(self) -> None:
        """Keep what there is of an answer that another question ends."""
        self.desk.cut()
        for reply in self.desk.take_finished():
            self.record.add_reply(reply)

    def _sides(self, question: Question) -> Sequence[tuple[Side | None, Prompt]]:
        return [(Side(question.template), question)]

    def _say(self) -> None:
        self._dialogue().refuse_empty()
        load = self._ready(self.action_ask, shots=False)
        if load is not None:
            self._cut()
            self.desk.ask(load, [(None, self._dialogue())], self._sampling, "")
            self.record.add(Said("user", self.talk.box.text), load.model_name)
            self.talk.box.put("")
            self._asked()

    def _asked(self) -> None:
        self._draw({"model", "replies", "problem"})

    @on(TextBox.Submitted)
    def _submitted(self) -> None:
        self.action_ask()

    def _refuse(self, text: str) -> None:
        self.desk.problem = Problem(text)
        self._draw({"problem"})

    def action_stop(self) -> None:
        self._waiting = None
        if not self.desk.stop():
            self.shell.tell("Nothing is being answered.")
        self._draw({"model"})

    def action_unload(self) -> None:
        if self.desk.model.load is None:
            self.shell.tell("No model is loaded.")
            return
        self.link.unload()

    def action_reload(self) -> None:
        """Load the model (again); in 4 bits where it did not fit."""
        load = self._named.load
        if load is None:
            self._refuse(self._named.problem or "the model is still being looked up")
            return
        if self.desk.problem is not None and self.desk.problem.smaller:
            load = load.model_copy(update={"quantisation": "nf4"})
            self._named = replace(self._named, load=load)
            self.query_one(SettingsForm).show_weights("nf4")
        self.desk.load(load)
        self._draw({"model", "problem"})

    # What the engine tells

    @on(ChatTold)
    def _told(self) -> None:
        if self.link.too_early():
            return
        changed = self.desk.heard(self.link.take())
        for reply in self.desk.take_finished():
            self.record.add_reply(reply)
        self._heard(changed)

    def _heard(self, changed: set[Part]) -> None:
        if "shots" in changed:
            self._render_soon()
        self._draw(changed)
        if "shots" in changed:
            self._go_on()

    def _draw(self, changed: set[Part]) -> None:
        desk, symbols = self.desk, self.shell.symbols
        if "model" in changed:
            load = self._named.load
            name = self.shell.settings.values.chat.model if load is None else load.model_name
            room = max(self.size.width - 2, 1)
            line = model_line(desk.model, clean_line(name, limit=60), symbols, room)
            self.query_one("#model", Lines).show([line])
        if "problem" in changed:
            self._show_problem()
        if "replies" in changed:
            self._show_replies(desk.replies)
        if "prompt" in changed:
            self.query_one(PromptView).show(desk.rendered, desk.unsaid, reading=desk.rendering)
        if "shots" in changed:
            self.editor.show_shots(desk.shots)

    def _show_replies(self, replies: Sequence[Reply]) -> None:
        about_pairs = [reply for reply in replies if reply.side is not None]
        for panel, reply in zip(self.query(ReplyPanel), about_pairs, strict=False):
            if reply.side is not None:
                former = self.form.is_other_than(reply.prompt)
                panel.show(reply, chat_sides.title(reply.side, alone=len(about_pairs) == 1, former=former))
        if not replies:
            for panel in self.query(ReplyPanel):
                panel.show(None, "Answer")
        self.talk.show(self.record.said, replies[0] if replies else None)

    def _show_problem(self) -> None:
        problem = self.desk.problem
        lines: list[str] = []
        if problem is not None:
            text = f"{self.shell.symbols.error} {clean_line(problem.text)}"
            text += "  r: load it again in 4-bit (nf4)" if problem.smaller else ""
            lines = wrap(text, max(self.size.width - 2, 20))[:4]
        self.query_one("#problem", Lines).show([[(line, "error")] for line in lines])
