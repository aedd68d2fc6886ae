"""The keys of the screens that review runs: Compare and Errors."""

from nli_console.tui.key import Group, Key

REVIEW = {
    "compare": Group(
        "Compare",
        (
            Key("a", "axis", "axis", "x axis: steps, epochs, samples or time", shown=True),
            Key("v", "curve", "curve", "loss of training, or accuracy on the held-out rows", shown=True),
            Key(
                "right_square_bracket",
                "page",
                "page",
                "where there is room for one: curves, or figures, tests and settings",
                shown=True,
            ),
            Key("E", "explain", "errors", "look at where two of the runs disagree", shown=True),
            Key("w", "export", "write", "write the tables, or all as .html, to a file", shown=True),
            Key("l", "log_axis", "log axis", "logarithmic or linear axis of the loss"),
            Key("m", "smoothing", "smoothing", "no, some or strong smoothing of the loss"),
            Key("r", "reread", "read again", "read the runs again"),
            Key("x", "cancel", "stop reading", "stop reading the runs"),
        ),
    ),
    "explain": Group(
        "Errors",
        (
            Key("enter", "", "open", "show the row with the whole screen; esc returns", bound=False),
            Key("n", "row(1)", "next", "the next row, also while one is shown whole", shown=True),
            Key("b", "row(-1)", "before", "the row before"),
            Key("f", "slice", "filter by", "only rows of a genre, label, length, overlap …", shown=True),
            Key("slash", "filter", "text", "only rows with this text; esc clears", shown=True),
            Key("s", "split", "split", "look at the next split", shown=True),
            Key("v", "against", "against", "choose another run, to see where the two disagree", shown=True),
            Key(
                "w",
                "which",
                "which",
                "errors, disagreements, right by one of the two alone, or all rows",
                shown=True,
            ),
            Key("o", "order", "order", "by falling loss, or as in the dataset"),
            Key(
                "right_square_bracket",
                "page",
                "page",
                "where there is room for one: rows, or accuracy by slice",
                shown=True,
            ),
            Key("x", "cancel", "stop reading", "stop reading the data"),
        ),
        zoomed=("peel", "row"),
    ),
}
