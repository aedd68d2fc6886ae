"""A comparison as a table for a paper, a sheet or a script: Markdown, LaTeX (booktabs), CSV and JSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence

from nli_console.record.findings import ComparedRun, Comparison, to_json
from nli_console.record.summary import Accuracy
from nli_console.text import UNKNOWN, clean_line, format_bytes, format_count, format_duration

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--", "−": r"$-$",
    "±": r"$\pm$", "×": r"$\times$", "…": r"\ldots{}", "≥": r"$\geq$", "≤": r"$\leq$",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(comparison: Comparison) -> str:
    """Tables of figures, cost and settings that differ, and the paired tests in words."""
    cell = _markdown_cell
    titles = [cell(title) for title in comparison.titles]
    parts = ["# Comparison", _markdown_table(_figure_header(comparison), _figure_rows(comparison, cell))]
    parts.append(
        "Accuracy in percent with its 95 % Wilson interval and the number of rows; time over all attempts."
    )
    problems = _problems(comparison)
    if problems:
        parts.append("\n".join(f"- {cell(text)}" for text in problems))
    said = [f"- {cell(split)}: {cell(text)}" for split, text in _tests(comparison)]
    if said:
        parts += ["## Paired tests", "\n".join(said)]
    if comparison.settings:
        rows = [
            [
                cell(setting.heading),
                *(cell(value or UNKNOWN) for value in setting.values),
            ]
            for setting in comparison.settings
        ]
        parts += ["## Settings that differ", _markdown_table(["setting", *titles], rows)]
    parts.append(f"{comparison.same_settings} settings are the same.")
    return "\n\n".join(parts) + "\n"


def latex(comparison: Comparison) -> str:
    r"""A ``table`` with booktabs rules (``\usepackage{booktabs}``); the tests stand below it as a comment."""
    cell = latex_text
    header = [cell(title) for title in _figure_header(comparison)]
    rows = _figure_rows(comparison, cell)
    columns = "ll" + "r" * (len(header) - 2)
    body = "\n".join("    " + " & ".join(row) + r" \\" for row in rows)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        r"  \caption{Accuracy in percent with its 95\,\% Wilson interval and the number of rows $n$.}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        "    " + " & ".join(header) + r" \\",
        r"    \midrule",
        body,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    lines += [f"% {clean_line(split)}: {clean_line(text)}" for split, text in _tests(comparison)]
    lines += [f"% {clean_line(text)}" for text in _problems(comparison)]
    return "\n".join(lines) + "\n"


def csv_text(comparison: Comparison) -> str:
    """One line per run with raw values: shares, seconds, bytes and counts; then a column per setting."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["id", "name", "state", "problem", "method", "model", "data", "seed"]
    for split in comparison.splits:
        header += [f"{split} {what}" for what in ("accuracy", "low", "high", "n")]
    header += ["trainable_parameters", "total_parameters", "peak_memory_bytes", "seconds"]
    settings = [setting for setting in comparison.settings if setting.name not in header]
    writer.writerow(_inert(header + [setting.name for setting in settings]))
    for place, run in enumerate(comparison.runs):
        row: list[object] = [
            run.id, run.name, run.state, run.problem, run.method, run.model, run.data, run.seed,
        ]  # fmt: skip
        for split in comparison.splits:
            held = run.accuracy.get(split)
            row += [None] * 4 if held is None else [held.value, held.low, held.high, held.n]
        row += [run.trainable_parameters, run.total_parameters, run.peak_memory_bytes, run.seconds]
        writer.writerow(_inert([*row, *(setting.values[place] for setting in settings)]))
    return out.getvalue()


def json_text(comparison: Comparison) -> str:
    """Everything, as ``compare --json`` prints it."""
    return json.dumps(document(comparison), indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def document(comparison: Comparison) -> dict[str, object]:
    """The comparison as JSON; the paired tests have their sentence."""
    fields: dict[str, object] = to_json(comparison)
    fields["paired"] = [
        {**to_json(test), "text": test.sentence(comparison.titles)} for test in comparison.paired
    ]
    return fields


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv_text,
    "json": json_text,
}


def latex_text(text: object) -> str:
    """Untrusted text in which every character that TeX would read as a command is written out."""
    return "".join(_LATEX.get(character, character) for character in clean_line(text))


def _markdown_cell(text: object) -> str:
    return _MARKDOWN.sub(r"\\\1", clean_line(text))


def _inert(cells: Sequence[object]) -> list[object]:
    """Cells that no spreadsheet takes for a formula."""
    return [f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t" and cell else cell for cell in cells]


def _figure_header(comparison: Comparison) -> list[str]:
    splits = [split.replace("_", " ") for split in comparison.splits]
    return ["run", "method", *splits, "trainable", "time", "peak memory"]


def _figure_rows(comparison: Comparison, cell: Callable[[object], str]) -> list[list[str]]:
    return [
        [
            cell(run.title),
            cell(run.method or UNKNOWN),
            *(cell(accuracy_cell(run.accuracy.get(split))) for split in comparison.splits),
            *(cell(text) for text in cost_cells(run)),
        ]
        for run in comparison.runs
    ]


def accuracy_cell(held: Accuracy | None) -> str:
    """``86.4 (85.7–87.1), n = 9,815``."""
    if held is None:
        return UNKNOWN
    interval = (
        "" if held.low is None or held.high is None else f" ({100 * held.low:.1f}–{100 * held.high:.1f})"
    )
    rows = "" if held.n is None else f", n = {format_count(held.n)}"
    return f"{100 * held.value:.1f}{interval}{rows}"


def cost_cells(run: ComparedRun) -> list[str]:
    """Trainable parameters, time and peak memory."""
    return [
        format_count(run.trainable_parameters),
        format_duration(run.seconds),
        format_bytes(run.peak_memory_bytes),
    ]


def _problems(comparison: Comparison) -> list[str]:
    found = [f"{run.title}: {run.problem}" for run in comparison.runs if run.problem]
    return found + [f"{run.title}: {text}" for run in comparison.runs for text in run.notes]


def _tests(comparison: Comparison) -> list[tuple[str, str]]:
    titles = comparison.titles
    found = [(test.split, test.sentence(titles)) for test in comparison.paired]
    return found + [
        (test.split, f"{titles[test.a]} and {titles[test.b]}: {test.why}") for test in comparison.refused
    ]


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
