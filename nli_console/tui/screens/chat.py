"""Chat: ask a language model about a pair, and see what it reads, writes and finds likely."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical

from nli_console.data.prompts import PromptTemplate
from nli_console.errors import ConsoleError
from nli_console.text import clean_line
from nli_console.tui import background, chat_work
from nli_console.tui.chat_record import MarkdownMade, TranscriptOpened, TranscriptsListed
from nli_console.tui.keys import Group, bindings
from nli_console.tui.screens.chat_asking import Left
from nli_console.tui.screens.chat_scoring import ScoringScreen
from nli_console.tui.screens.confirm import Confirm
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.screens.prompt import Prompt
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.pair_form import PairForm
from nli_console.tui.widgets.prompt_view import PromptView
from nli_console.tui.widgets.reply_panel import ReplyPanel
from nli_console.tui.widgets.settings_form import SettingsForm, meanings
from nli_console.tui.widgets.talk_panel import TalkPanel
from nli_console.tui.widgets.template_form import TemplateForm
from nli_console.tui.widgets.text_box import TextBox
from nli_console.tui.widgets.text_input import TextInput

PAGES = {"form": "", "answer": "ReplyPanel .answer", "prompt": "#prompt-text"}
"""What a narrow terminal shows one at a time, and what gets the focus there."""
LEFT: dict[Left, str] = {
    "pair": "#premise",
    "talk": "#message",
    "template": "#user",
    "settings": "#model-name",
}
"""What stands on the left, and what gets the focus there."""

_TITLES = {"answers": "Who answers", "versus": "Compare with", "gold": "Gold label"}


class ChatScreen(ScoringScreen):
    """The question left; the answer with its probabilities and the exact prompt right."""

    mode = "chat"
    key_group = "chat"
    BINDINGS = bindings("chat")
    # Not a field: the next key, ? or a digit, would be typed into it. Tab goes to the premise.
    AUTO_FOCUS = ""
    CSS = """
    ChatScreen #model { padding: 0 1; background: $surface; }
    ChatScreen #problem, ChatScreen #check { padding: 0 1; }
    ChatScreen #chat { height: 1fr; }
    ChatScreen #form { width: 46; border-right: vkey $line; }
    ChatScreen PairForm, ChatScreen TalkPanel, ChatScreen TemplateForm, ChatScreen SettingsForm {
        display: none;
    }
    ChatScreen.-pair PairForm, ChatScreen.-talk TalkPanel, ChatScreen.-template TemplateForm,
    ChatScreen.-settings SettingsForm { display: block; }
    ChatScreen.-talk #form { width: 1fr; }
    ChatScreen.-talk #replies { display: none; }
    ChatScreen #other { display: none; border-left: vkey $line; }
    ChatScreen.-two #other { display: block; }
    ChatScreen #outcome { width: 1fr; }
    ChatScreen #replies { height: 1fr; min-height: 10; }
    ChatScreen #outcome PromptView { border-top: solid $line; }
    ChatScreen.-talk #outcome PromptView { border: none; }
    ChatScreen.-medium #form { width: 40; }
    ChatScreen.-medium.-talk #form { width: 1fr; }
    ChatScreen.-narrow #form { width: 1fr; border: none; }
    ChatScreen.-narrow #outcome PromptView { border: none; }
    ChatScreen.-narrow #form, ChatScreen.-narrow #outcome,
    ChatScreen.-narrow #replies, ChatScreen.-narrow PromptView { display: none; }
    ChatScreen.-narrow.-form #form, ChatScreen.-narrow.-answer #outcome, ChatScreen.-narrow.-prompt #outcome,
    ChatScreen.-narrow.-answer #replies, ChatScreen.-narrow.-prompt PromptView { display: block; }
    ChatScreen.-short PairForm .gap { margin-top: 0; }
    ChatScreen.-short TemplateForm #user { height: 4; }
    ChatScreen.-short SettingsForm .meaning { margin-bottom: 0; }
    ChatScreen.-short TalkPanel #message { height: 3; margin-top: 0; }
    .-ascii ChatScreen #form { border-right: ascii $line; }
    .-ascii ChatScreen #outcome PromptView { border-top: ascii $line; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._page = "form"

    def body(self) -> ComposeResult:
        settings, symbols = self.shell.settings, self.shell.symbols
        yield Lines(rows=1, id="model")
        yield Lines(id="problem")
        yield Lines(id="check")
        with Horizontal(id="chat"):
            with Container(id="form"):
                yield PairForm(settings, symbols)
                yield TalkPanel()
                yield TemplateForm(symbols)
                yield SettingsForm(settings.values, self._sampling, symbols)
            with Vertical(id="outcome"):
                with Horizontal(id="replies"):
                    yield ReplyPanel(symbols)
                    yield ReplyPanel(symbols, id="other")
                yield PromptView(symbols)

    def on_mount(self) -> None:
        self._show_page("form")
        self._show_left("pair")

    def explained(self) -> Sequence[Group]:
        return [meanings()] if self.left == "settings" else []

    # Choosing

    def action_example(self, by: int) -> None:
        self.form.chooser.step(by)

    @on(Choice.Asked)
    def _choice_asked(self, event: Choice.Asked) -> None:
        self._pick(event.choice)

    def action_pick(self, name: str) -> None:
        self._pick(self.form.choice(name))

    def _pick(self, choice: Choice) -> None:
        name = choice.id or ""
        about = self._about(name)
        rows = [Choosable(each, clean_line(each, limit=80), about.get(each, "")) for each in choice.choices]
        if rows:
            picker = Picker(_TITLES.get(name, name.capitalize()), rows, current=choice.value)
            self.app.push_screen(picker, lambda value: None if value is None else choice.choose(value))

    def _about(self, name: str) -> Mapping[str, str]:
        if name != "template":
            return self.form.chooser.about(name)
        own = self._templates.own
        return {
            each.name: ("your own; " if each.name in own else "") + each.description
            for each in self._templates.templates
        }

    # The template

    def action_reset_template(self) -> None:
        self.editor.reset()

    def action_save_template(self) -> None:
        """Ask for a name and keep the edited template under it."""
        try:
            template = self.editor.template("name")
        except ConsoleError as error:
            self._refuse(f"template: {error}")
            return
        if template is None or self.chosen is None:
            return
        own = self._templates.own
        value = self.chosen.name if self.chosen.name in own else f"my-{self.chosen.name}"

        def named(name: str | None) -> None:
            if name in own:
                text = f"Overwrite your template {name}?"
                self.app.push_screen(Confirm(text, "overwrite it"), partial(self._save, template, name))
            elif name:
                self._save(template, name, True)

        explained = "Kept in templates/ beside your settings; a name of a shipped one takes its place."
        self.app.push_screen(Prompt("Save the template as", explained, value), named)

    def _save(self, template: PromptTemplate, name: str, agreed: bool | None) -> None:
        if not agreed:
            return
        overwrite = name in self._templates.own
        if self.chosen is not None:
            self.editor.forget(self.chosen.name)
        named = template.model_copy(update={"name": name})
        background.run(
            lambda: chat_work.save_template(named, overwrite=overwrite), self, title="Prompt template"
        )

    # The conversation

    def action_new(self) -> None:
        self._cut()
        self.record.begin()
        self._draw({"replies"})
        self.shell.tell("Another conversation begins; what was said before stays saved.")

    def action_open(self) -> None:
        self.record.list()

    @on(TranscriptsListed)
    def _listed(self, event: TranscriptsListed) -> None:
        if not event.found:
            self.shell.tell("No conversation was saved yet.")
            return
        rows = [
            Choosable(each.id, each.title or each.id, f"{each.turns} turns with {each.model}", each.id[:15])
            for each in event.found
        ]
        picker = Picker("Conversations, the newest first", rows, current=self.record.id)
        self.app.push_screen(picker, lambda id: None if id is None else self.record.open(id))

    @on(TranscriptOpened)
    def _opened(self, event: TranscriptOpened) -> None:
        self._cut()
        self.record.go_on(event.transcript)
        pairs = [said.details for said in self.record.said if said.role == "pair"]
        if pairs and not self.record.turns:
            texts = [str(pairs[-1].get(key) or "") for key in ("premise", "hypothesis", "gold")]
            self.form.put(*texts)
        self._draw({"replies"})
        self._show_left("talk")

    def action_copy(self) -> None:
        self._if_said(lambda: self.record.markdown(None))

    def action_export(self) -> None:
        def written(path: str | None) -> None:
            if path:
                self.record.markdown(Path(path).expanduser())

        def ask() -> None:
            explained = "The whole conversation, without secrets; a file that exists is not touched."
            self.app.push_screen(Prompt("Write Markdown to", explained, f"chat-{self.record.id}.md"), written)

        self._if_said(ask)

    def _if_said(self, act: Callable[[], None]) -> None:
        if self.record.id:
            act()
        else:
            self.shell.tell("Nothing was said yet.")

    @on(MarkdownMade)
    def _markdown(self, event: MarkdownMade) -> None:
        if event.path is not None:
            self.shell.tell(chat_work.shown_path(event.path.absolute()), title="Written")
            return
        self.app.copy_to_clipboard(event.text)
        text = "Not every terminal takes it; w writes a file."
        self.shell.tell(text, title="Sent to the terminal's clipboard")

    # Pages

    def action_left(self, name: Left) -> None:
        """Show something on the left, or the pair again."""
        self._show_left("pair" if self.left == name and (self._page == "form" or not self._narrow) else name)
        self._show_page("form")
        self.query_one(LEFT[self.left]).focus()

    def _show_left(self, name: Left) -> None:
        self.left = name
        for each in LEFT:
            self.set_class(each == name, f"-{each}")
        self._render_soon()

    @property
    def _narrow(self) -> bool:
        return self.has_class("-narrow")

    def _asked(self) -> None:
        if self._narrow and self.left != "talk":
            self._show_page("answer")
        super()._asked()

    def action_page(self, by: int) -> None:
        pages = [page for page in PAGES if page != "answer" or self.left != "talk"]
        at = pages.index(self._page) if self._page in pages else 0
        self._show_page(pages[(at + by) % len(pages)])
        self.query(PAGES[self._page] or LEFT[self.left]).first().focus()

    def _show_page(self, page: str) -> None:
        self._page = page
        for name in PAGES:
            self.set_class(name == page, f"-{name}")

    def peel(self) -> bool:
        """An answer in progress, a problem, the field, the page: one layer at a time."""
        if self.desk.stop():
            self._waiting = None
            self._draw({"model"})
        elif self.desk.problem is not None:
            self.desk.problem = None
            self._draw({"problem"})
        elif isinstance(self.focused, TextInput | TextBox):
            self.set_focus(None)
        elif self._page != "form":
            self._show_page("form")
        elif self.left != "pair":
            self._show_left("pair")
        else:
            return False
        return True
