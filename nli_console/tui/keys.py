"""The key registry: bindings, key bar, palette and help are all made from it, so none of them can drift.

A screen takes its bindings with ``BINDINGS = bindings("launch")`` and names its group in ``key_group``.
``action`` is a Textual action name of that screen (or of the app, in the group ``everywhere``).
"""

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from nli_console.tui.key import Group, Key
from nli_console.tui.review_keys import REVIEW

GROUPS: dict[str, Group] = {
    "everywhere": Group(
        "Everywhere",
        (
            Key(
                "ctrl+p", "palette", "commands", "search every command and run it", shown=True, priority=True
            ),
            Key("question_mark,f1", "help", "help", "show all keys of this place, searchable", shown=True),
            Key("1,alt+1", "mode('launch')", "Launch", "go to Launch; alt+1 works while typing, too"),
            Key("2,alt+2", "mode('runs')", "Runs", "go to Runs; alt+2 works while typing, too"),
            Key("3,alt+3", "mode('chat')", "Chat", "go to Chat; alt+3 works while typing, too"),
            Key("4,alt+4", "mode('data')", "Data", "go to Data; alt+4 works while typing, too"),
            Key("escape", "peel", "back", "close what is on top, or leave the field; one layer at a time"),
            Key("tab", "app.focus_next", "next", "go to the next field or panel"),
            Key("shift+tab", "app.focus_previous", "previous", "go to the field or panel before"),
            Key("ctrl+l", "repaint", "repaint", "draw the whole screen again"),
            Key("f8", "theme", "theme", "switch between the dark and the light theme"),
            Key("q", "leave", "quit", "leave the console at once; runs go on without it", shown=True),
            Key("ctrl+q", "leave", "quit", "the same, also while typing in a field", priority=True),
        ),
    ),
    "launch": Group(
        "Launch",
        (
            Key("f5,ctrl+enter", "launch", "launch", "start a run with this form", shown=True, priority=True),
            Key(
                "f4",
                "preset",
                "preset",
                "choose a preset; fields that you changed keep their value",
                shown=True,
            ),
            Key("f3", "advanced", "advanced", "show or fold away the advanced fields", shown=True),
            Key("ctrl+r", "reset", "reset field", "set this field back to the preset's value", shown=True),
            Key("ctrl+s", "save", "save", "save the form as a preset of your own", shown=True),
            Key("f6", "reset_all", "reset all", "set every hyperparameter back to the preset's value"),
            Key("f2", "choose", "choose", "choose this field's value from a list"),
            Key("f7", "checks", "checks", "show what there is to know before the launch, or the form again"),
            Key("f9", "ignore", "ignore", "choose a check that is not to block this launch, or is to again"),
            Key("up,down", "", "field", "go to the field above or below; pgup and pgdn scroll", bound=False),
            Key(
                "enter",
                "",
                "accept",
                "open the list of a field that has one, else go to the next field",
                bound=False,
            ),
            Key(
                "left,right,space", "", "step", "step through the values of a field with choices", bound=False
            ),
        ),
    ),
    "runs": Group(
        "Runs",
        (
            Key("enter", "zoom", "zoom", "give the selected run the whole screen; esc returns", shown=True),
            Key(
                "slash",
                "filter",
                "filter",
                "show only runs that fit: words, method:lora, accuracy>0.85, started:7d, -state:failed",
                shown=True,
            ),
            Key("x", "stop", "stop", "stop the run after a checkpoint; asked once more, kill it", shown=True),
            Key(
                "r",
                "resume",
                "resume",
                "start a stopped, failed or lost run again from its checkpoint",
                shown=True,
            ),
            Key("c", "clone", "clone", "fill the Launch form with this run's settings", shown=True),
            Key("v", "evaluate", "evaluate", "score the run's model on another dataset or split", shown=True),
            Key(
                "E", "explain", "errors", "look at the run's errors; of two marked runs, where they disagree"
            ),
            Key("R", "report", "report", "write the run, or those that are marked, to one HTML file"),
            Key("d,delete", "delete", "delete", "move the run to the trash", shown=True),
            Key("u", "undo", "undelete", "bring back what was deleted last"),
            Key(
                "right_square_bracket",
                "page(1)",
                "page",
                "next page: overview, evaluation, log, settings",
                shown=True,
            ),
            Key("left_square_bracket", "page(-1)", "page back", "the page before"),
            Key(
                "C",
                "compare",
                "compare",
                "compare the marked runs, 2 to 8: curves, figures, tests, settings",
                shown=True,
            ),
            Key("l", "log_axis", "log axis", "logarithmic or linear axis of the loss"),
            Key("m", "smoothing", "smoothing", "no, some or strong smoothing of the loss"),
            Key(
                "s",
                "sort",
                "sort",
                "sort by the next column; a click on a column's name sorts by it",
                shown=True,
            ),
            Key("S", "reverse", "reverse", "turn the order round"),
            Key(
                "f3", "columns", "columns", "choose the columns, their order and what the rows are sorted by"
            ),
            Key("o", "fold", "open group", "open or close the selected group of runs"),
            Key(
                "right,left",
                "",
                "open, close",
                "open or close it, while the table has the focus",
                bound=False,
            ),
            Key("space", "mark", "mark", "mark the run; stop, resume and delete act on all that are marked"),
            Key("g", "start_now", "start now", "start a waiting run past the queue, even beside what runs"),
            Key("f", "queue('first')", "first", "put the waiting run first in the queue"),
            Key("K,shift+up", "queue('up')", "forward", "let the waiting run pass the one before it"),
            Key("J,shift+down", "queue('down')", "backward", "let the one behind the waiting run pass it"),
            Key("h", "hold", "hold", "keep the waiting run from starting, or let it wait its turn again"),
            Key("p", "pause", "pause queue", "let nothing new start, or let the queue go on"),
            Key("w", "wide_table", "wide table", "hide or show the live view, for more columns"),
            Key("n", "label('name')", "rename", "give the run another name"),
            Key("e", "label('notes')", "notes", "write something down about the run"),
            Key("t", "label('tags')", "tags", "set the run's tags"),
            Key(
                "asterisk",
                "pin",
                "pin",
                "keep the run on top of the history and out of clean, or no longer",
            ),
            Key("a", "other_seed", "another seed", "run it again with the next seed that was not used"),
            Key("f6", "clean", "clean up", "see what could be dropped, and how much that frees"),
            Key(
                "y", "copy_command", "copy command", "send the equivalent command to the terminal's clipboard"
            ),
            Key("down,j", "select(1)", "next run", "select the next run"),
            Key("up,k", "select(-1)", "run before", "select the run before"),
        ),
        zoomed=(
            "peel",
            "page",
            "stop",
            "resume",
            "clone",
            "evaluate",
            "explain",
            "log_axis",
            "smoothing",
            "copy_command",
        ),
    ),
    **REVIEW,
    "chat": Group(
        "Chat",
        (
            Key(
                "f5,ctrl+enter",
                "ask",
                "ask",
                "put the question to the model; the first one loads it",
                shown=True,
                priority=True,
            ),
            Key(
                "right_square_bracket",
                "page(1)",
                "page",
                "next page or panel: question, answer, prompt",
                shown=True,
            ),
            Key("f7", "page(1)", "page", "the same, also while typing", priority=True),
            Key("left_square_bracket", "page(-1)", "page back", "the page or panel before"),
            Key("f2,n", "example(1)", "next", "take the next example that passes the filters", shown=True),
            Key("b", "example(-1)", "before", "take the example before"),
            Key("f4", "pick('template')", "template", "choose a prompt template", shown=True),
            Key("f3", "left('template')", "edit", "edit the prompt template, or go back", shown=True),
            Key(
                "f6",
                "left('talk')",
                "talk",
                "talk freely and see what was said so far, or go back",
                shown=True,
                priority=True,
            ),
            Key("f9", "left('settings')", "settings", "model, weights and sampling, or go back", shown=True),
            Key("ctrl+s", "save_template", "save", "save the template as one of your own"),
            Key("ctrl+r", "reset_template", "reset", "set the template back to what is saved"),
            Key("x", "stop", "stop", "stop the answer at once; esc does so, too, also while typing"),
            Key("u", "unload", "unload", "end the engine: the model, its memory and its slot are free"),
            Key("r", "reload", "load", "load the model now, or again; in 4-bit where it did not fit"),
            Key(
                "c", "check", "check", "score 50 rows of the split with this prompt, here and now", shown=True
            ),
            Key(
                "p",
                "score",
                "score",
                "score rows of the split with this prompt: a run in the queue",
                shown=True,
            ),
            Key(
                "e",
                "error",
                "errors",
                "take the next example that the check, or a run, got wrong",
                shown=True,
            ),
            Key("v", "pick('versus')", "compare", "put another template, or an adapter, beside the answer"),
            Key("a", "pick('answers')", "who answers", "the base model, or an adapter of a qlora_sft run"),
            Key("k", "new", "new", "begin another conversation; the one before stays saved"),
            Key("o", "open", "open", "open a conversation that was saved"),
            Key("w", "export", "export", "write the conversation to a Markdown file"),
            Key("y", "copy", "copy", "send the conversation to the terminal's clipboard, as Markdown"),
            Key(
                "enter", "", "ask", "the same as f5 while in a field; ctrl+j begins another line", bound=False
            ),
        ),
    ),
    "data": Group(
        "Data",
        (
            Key("enter", "", "open", "read the highlighted dataset, or show the example whole", bound=False),
            Key(
                "right_square_bracket",
                "page(1)",
                "page",
                "next page or panel: datasets, figures, examples",
                shown=True,
            ),
            Key("left_square_bracket", "page(-1)", "page back", "the page or panel before"),
            Key("slash", "filter", "filter", "only examples with this text; esc clears", shown=True),
            Key("s", "step('split')", "split", "look at the next split", shown=True),
            Key("l", "step('label')", "label", "only examples of the next label, or of all", shown=True),
            Key("g", "pick('genre')", "genre", "only examples of a genre", shown=True),
            Key("n", "example(1)", "next", "the next example, also while one is shown whole", shown=True),
            Key("b", "example(-1)", "before", "the example before", shown=True),
            Key("p", "source('path')", "path", "name a folder, zip, file or hub id", shown=True),
            Key("t", "source('max-length')", "max length", "type the max length that truncation is told for"),
            Key("m", "source('model')", "model", "name the model whose tokenizer measures lengths"),
            Key("r", "reread", "read again", "read the dataset again, where its files have changed"),
            Key("x", "cancel", "stop reading", "stop counting the rows of the dataset"),
        ),
        zoomed=("peel", "example"),
    ),
}

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "comma": ",",
    "asterisk": "*",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "delete": "del",
}


def bindings(group: str) -> list[BindingType]:
    """Textual bindings of a group. Nothing of Textual's own footer is used, so all are hidden from it."""
    return [
        Binding(key.keys, key.action, key.label, show=False, priority=key.priority, tooltip=key.help)
        for key in GROUPS[group].keys
        if key.bound
    ]


def is_typed(key: str) -> bool:
    """Whether a text field that has the focus takes this key as a character."""
    return len(key) == 1 or len(_NAMES.get(key, key)) == 1


def key_name(keys: str) -> str:
    """What a person calls these keys, in ASCII: ``question_mark,f1`` → ``? f1``."""
    return " ".join(
        "+".join(_NAMES.get(part, part) for part in key.strip().split("+")) for key in keys.split(",")
    )


def search(groups: Iterable[str | Group], query: str) -> list[tuple[Group, list[Key]]]:
    """Groups with the keys that hold every word of ``query`` in name, label or help, empty ones left out."""
    words = query.casefold().split()
    found = []
    for name in groups:
        group = GROUPS[name] if isinstance(name, str) else name
        keys = [
            key
            for key in group.keys
            if all(word in f"{key_name(key.keys)} {key.label} {key.help}".casefold() for word in words)
        ]
        if keys:
            found.append((group, keys))
    return found
