"""Chat: ask a language model about a pair, and see what it reads, writes and finds likely."""

from collections.abc import Mapping
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer

from nli_console.data.chat import Prompt, Question, Sampling, refuse_masked
from nli_console.data.prompts import PromptTemplate
from nli_console.data.prompts.catalogue import Catalogue
from nli_console.errors import ConsoleError
from nli_console.text import clean_line
from nli_console.tui import background, chat_work
from nli_console.tui.chat_desk import Desk, Part, Problem, Side
from nli_console.tui.chat_link import ChatLink, ChatTold
from nli_console.tui.chat_work import ModelNamed, TemplatesRead
from nli_console.tui.keys import bindings
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.example_chooser import ExampleChooser
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.pair_form import PairForm
from nli_console.tui.widgets.prompt_view import PromptView
from nli_console.tui.widgets.reply_lines import model_line
from nli_console.tui.widgets.reply_panel import ReplyPanel
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.text_box import TextBox
from nli_console.tui.widgets.text_input import TextInput

PAGES = ("form", "answer", "prompt")
"""What a narrow terminal shows one at a time."""
_SETTLE = 0.3
"""Seconds without a key after which the prompt is rendered again."""
_MOST_SHOTS = 256


class ChatScreen(ConsoleScreen):
    """The question left; the answer with its probabilities and the exact prompt right."""

    mode = "chat"
    key_group = "chat"
    BINDINGS = bindings("chat")
    AUTO_FOCUS = "#premise"
    CSS = """
    ChatScreen #model { padding: 0 1; background: $surface; }
    ChatScreen #problem { padding: 0 1; }
    ChatScreen #chat { height: 1fr; }
    ChatScreen #form { width: 46; border-right: vkey $line; }
    ChatScreen #outcome { width: 1fr; }
    ChatScreen #replies { height: 1fr; min-height: 10; }
    ChatScreen #outcome PromptView { border-top: solid $line; }
    ChatScreen.-medium #form { width: 40; }
    ChatScreen.-narrow #form { width: 1fr; border: none; }
    ChatScreen.-narrow #outcome PromptView { border: none; }
    ChatScreen.-narrow #form, ChatScreen.-narrow #outcome,
    ChatScreen.-narrow #replies, ChatScreen.-narrow PromptView { display: none; }
    ChatScreen.-narrow.-form #form, ChatScreen.-narrow.-answer #outcome, ChatScreen.-narrow.-prompt #outcome,
    ChatScreen.-narrow.-answer #replies, ChatScreen.-narrow.-prompt PromptView { display: block; }
    .-ascii ChatScreen #form { border-right: ascii $line; }
    .-ascii ChatScreen #outcome PromptView { border-top: ascii $line; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._page = "form"
        self._named = ModelNamed(None, "")
        self._templates = Catalogue([], [])
        self._sampling = Sampling()
        self._ask_when_ready = False
        self._settling: Timer | None = None
        self.link: ChatLink
        self.desk: Desk

    def body(self) -> ComposeResult:
        symbols = self.shell.symbols
        yield Lines(rows=1, id="model")
        yield Lines(id="problem")
        with Horizontal(id="chat"):
            with Container(id="form"):
                yield PairForm(self.shell.settings, symbols)
            with Vertical(id="outcome"):
                with Horizontal(id="replies"):
                    yield ReplyPanel(symbols)
                yield PromptView(symbols)

    def on_mount(self) -> None:
        settings = self.shell.settings
        self.link = ChatLink(self, settings.values.launch.environment)
        self.desk = Desk(self.link)
        self._show_page("form")
        model = settings.values.chat.model
        background.run(lambda: chat_work.name_model(model, None, settings), self, title="Model")
        background.run(chat_work.read_templates, self, title="Prompt templates")
        self._draw({"model", "prompt"})

    def on_unmount(self) -> None:
        self.link.close()

    @property
    def form(self) -> PairForm:
        return self.query_one(PairForm)

    @property
    def template(self) -> PromptTemplate | None:
        """The chosen template."""
        name = self.form.choice("template").value
        return next((each for each in self._templates.templates if each.name == name), None)

    # What was looked up

    @on(ModelNamed)
    def _model_named(self, event: ModelNamed) -> None:
        self._named = event
        if event.problem:
            self.desk.problem = Problem(event.problem)
        self._choose_template(event.template)
        self._draw({"model", "problem"})

    @on(TemplatesRead)
    def _templates_read(self, event: TemplatesRead) -> None:
        asked = [each for each in event.templates.templates if each.format != "masked"]
        self._templates = replace(event.templates, templates=asked)
        self._choose_template(event.use or self._named.template)
        for problem in event.templates.problems:
            self.shell.tell(problem, title="Prompt template", severity="warning")

    def _choose_template(self, wanted: str) -> None:
        """Offer what there is; a template that the user has chosen stays."""
        names = tuple(each.name for each in self._templates.templates)
        choice = self.form.choice("template")
        if names:
            self.form.offer("template", names, wanted if not choice.value and wanted in names else None)
        self._render_soon()

    @on(ExampleChooser.DataReady)
    def _data_ready(self, event: ExampleChooser.DataReady) -> None:
        if event.problem:
            self._ask_when_ready = False
            self._refuse(event.problem)
        else:
            self._demonstrate()

    def action_example(self, by: int) -> None:
        self.form.chooser.step(by)

    # The form

    @on(PairForm.Edited)
    def _pair_edited(self) -> None:
        self._render_soon()

    @on(TextInput.Changed, "#shots")
    def _shots_changed(self) -> None:
        if self.form.chooser.spec is None and self.form.shots:
            self.form.chooser.find()
        else:
            self._demonstrate()

    @on(Choice.Changed)
    def _chosen(self) -> None:
        self._render_soon()

    @on(Choice.Asked)
    def _asked(self, event: Choice.Asked) -> None:
        self.action_pick(event.choice.id or "")

    def action_pick(self, name: str) -> None:
        choice = self.form.choice(name)
        about = self._about(name)
        rows = [
            Choosable(value, clean_line(value, limit=80), about.get(value, "")) for value in choice.choices
        ]
        if rows:
            picker = Picker(name.capitalize(), rows, current=choice.value)
            self.app.push_screen(picker, lambda value: None if value is None else choice.choose(value))

    def _about(self, name: str) -> Mapping[str, str]:
        if name != "template":
            return self.form.chooser.about(name)
        own = self._templates.own
        return {
            each.name: ("your own; " if each.name in own else "") + each.description
            for each in self._templates.templates
        }

    def _demonstrate(self) -> None:
        if self.form.shots > _MOST_SHOTS:
            self.desk.problem = Problem(f"shots {self.form.shots}: must be at most {_MOST_SHOTS}")
            self._draw({"problem"})
            return
        if self.form.chooser.spec is not None or not self.form.shots:
            self.desk.demonstrate(self.form.chooser.spec, self.form.shots, self._sampling.seed)
        self._render_soon()

    # The prompt

    def _prompt(self) -> Question:
        """What is to be asked.

        Raises:
            ConsoleError: something is missing.
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

    def _render_soon(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._render_now)

    def _render_now(self) -> None:
        if self._named.load is None or self.template is None or self.desk.shots is None:
            return
        if not self.form.premise.strip() and not self.form.hypothesis.strip():
            return
        self.desk.render(self._named.load, self._prompt(), self._sampling.max_new_tokens)
        self._draw({"prompt"})

    # Asking

    def action_ask(self) -> None:
        """Put the question, as soon as all is there that it needs."""
        self._ask_when_ready = False
        try:
            question = self._prompt()
            question.refuse_empty()
        except ConsoleError as error:
            self._refuse(str(error))
            return
        waits = self.form.shots and (self.form.chooser.spec is None or self.desk.shots is None)
        if self._named.load is None or waits:
            if self._named.problem:
                self._refuse(self._named.problem)
                return
            self._ask_when_ready = True
            if waits and self.form.chooser.spec is None:
                self.form.chooser.find()
            return
        prompts: list[tuple[Side | None, Prompt]] = [(Side(question.template), question)]
        self.desk.ask(self._named.load, prompts, self._sampling, self.form.gold)
        if self.has_class("-narrow"):
            self._show_page("answer")
        self._draw({"model", "replies", "problem"})

    @on(TextBox.Submitted)
    def _submitted(self) -> None:
        self.action_ask()

    def _refuse(self, text: str) -> None:
        self.desk.problem = Problem(text)
        self._draw({"problem"})

    def action_stop(self) -> None:
        self._ask_when_ready = False
        if not self.desk.stop():
            self.shell.tell("Nothing is being answered.")

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
        self.desk.load(load)
        self._draw({"model", "problem"})

    # What the engine tells

    @on(ChatTold)
    def _told(self) -> None:
        if self.link.too_early():
            return
        changed = self.desk.heard(self.link.take())
        if "shots" in changed:
            self._render_soon()
        self._draw(changed)
        if self._ask_when_ready and "shots" in changed and self.desk.shots is not None:
            self.action_ask()

    def _draw(self, changed: set[Part]) -> None:
        desk, symbols = self.desk, self.shell.symbols
        if "model" in changed:
            name = (
                self.shell.settings.values.chat.model
                if self._named.load is None
                else self._named.load.model_name
            )
            self.query_one("#model", Lines).show(
                [model_line(desk.model, clean_line(name, limit=60), symbols)]
            )
        if "problem" in changed:
            self._show_problem()
        if "replies" in changed:
            panels = list(self.query(ReplyPanel))
            for panel, reply in zip(panels, desk.replies, strict=False):
                panel.show(reply, "Answer")
        if "prompt" in changed:
            self.query_one(PromptView).show(desk.rendered, desk.unsaid, reading=desk.rendering)

    def _show_problem(self) -> None:
        problem = self.desk.problem
        if problem is None:
            self.query_one("#problem", Lines).show([])
            return
        text = f"{self.shell.symbols.error} {clean_line(problem.text)}"
        if problem.smaller:
            text += "  r: load it again in 4-bit (nf4)"
        lines = wrap(text, max(self.size.width - 2, 20))[:4]
        self.query_one("#problem", Lines).show([[(line, "error")] for line in lines])

    # Pages

    def action_page(self, by: int) -> None:
        self._show_page(PAGES[(PAGES.index(self._page) + by) % len(PAGES)])
        place = {"form": "#premise", "answer": "ReplyPanel .answer", "prompt": "#prompt-text"}[self._page]
        self.query(place).first().focus()

    def _show_page(self, page: str) -> None:
        self._page = page
        for name in PAGES:
            self.set_class(name == page, f"-{name}")

    def peel(self) -> bool:
        """An answer in progress, a problem, the field, the page: one layer at a time."""
        if self.desk.stop():
            self._ask_when_ready = False
        elif self.desk.problem is not None:
            self.desk.problem = None
            self._draw({"problem"})
        elif isinstance(self.focused, TextInput | TextBox):
            self.set_focus(None)
        elif self._page != "form":
            self._show_page("form")
        else:
            return False
        return True
