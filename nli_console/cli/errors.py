"""``nli-console errors``: the rows that a run gets wrong, and where its accuracy lies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.analysing import analysis, one_run
from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, say, say_json, table
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.record.findings import (
    Explanation,
    Order,
    Query,
    ScoredRow,
    Which,
    format_predicted,
    to_json,
)
from nli_console.record.summary import Accuracy
from nli_console.text import UNKNOWN, clean_line, format_accuracy, format_count, format_number

ROWS = 20
_LABELS = ", ".join(LABELS)


def errors(
    run: Annotated[str, Parameter(help="id of a run, a unique beginning of one, or its name")],
    *,
    against: Annotated[
        str | None, Parameter(help="another run on the same rows; shows where the two answer differently")
    ] = None,
    show: Annotated[
        Which | None,
        Parameter(
            help="errors; or, with --against: disagreements, those that only the other (lost) or only this "
            "run (won) gets right; or all rows"
        ),
    ] = None,
    split: Annotated[str, Parameter(show_default=False, help="default: the first that was scored")] = "",
    genre: Annotated[str, Parameter(show_default=False, help="only this genre")] = "",
    gold: Annotated[str, Parameter(show_default=False, help=f"only this gold label: {_LABELS}")] = "",
    predicted: Annotated[
        str, Parameter(show_default=False, help=f"only this answer: {_LABELS}, or none")
    ] = "",
    length: Annotated[str, Parameter(show_default=False, help="words of the pair: 16-25, 61- or -15")] = "",
    negation: Annotated[
        str, Parameter(show_default=False, help="whether the hypothesis has a word of negation: yes or no")
    ] = "",
    overlap: Annotated[
        str, Parameter(show_default=False, help="percent of hypothesis words that the premise has: 75-100")
    ] = "",
    votes: Annotated[str, Parameter(show_default=False, help="how annotators voted, such as 4-1")] = "",
    contains: Annotated[
        str, Parameter(show_default=False, help="only with this text in premise, hypothesis or id")
    ] = "",
    sort: Annotated[Order, Parameter(help="highest loss first, or as in the dataset")] = "loss",
    limit: Annotated[int, Parameter(help="rows at most; 0 for none")] = ROWS,
    slices: Annotated[bool, Parameter(negative="", help="accuracy by genre, label, length …")] = False,
    json: Json = False,
    context: Ctx,
) -> None:
    """Show the rows that a run got wrong, or where two runs disagree; or its accuracy on slices."""
    if limit < 0:
        raise ConsoleError(f"--limit {limit}: must be 0 or more")
    layout = one_run(run, context)
    other = None if against is None else one_run(against, context)
    query = Query(
        split=split,
        which=show or ("errors" if other is None else "disagreements"),
        genre=genre,
        gold=gold,
        predicted=predicted,
        length=length,
        negation=negation,
        overlap=overlap,
        votes=votes,
        contains=contains,
        order=sort,
        limit=limit,
    )
    with analysis() as (process, tell):
        found = process.explain(layout, query, against=other, progress=tell)
    for text in found.notes:
        note(text)
    if json:
        say_json(_document(found, query))
    elif slices:
        say(f"{_headline(found)}\n\n{slice_table(found)}")
    else:
        say(f"{_headline(found)}\n{found.sentence(query.which)}")
        for row in found.rows:
            say()
            say(row_text(row, found))
        if found.total > len(found.rows):
            say(f"\n{found.total - len(found.rows):,} more; --limit {found.total} shows all")


def _document(found: Explanation, query: Query) -> dict[str, object]:
    fields: dict[str, object] = to_json(replace(found, notes=tuple(map(clean_line, found.notes))))
    return {**fields, "query": to_json(query)}


def _headline(found: Explanation) -> str:
    parts = [f"{found.title} on {found.split}: {_accuracy(found.accuracy)} of {found.n:,} rows"]
    if found.other_title is not None:
        parts.append(f"{found.other_title}: {_accuracy(found.other)}")
    return "\n".join(parts)


def slice_table(found: Explanation) -> str:
    """Accuracy on every slice, with its interval and n."""
    titles = [clean_line(title) for title in (found.title, found.other_title) if title is not None]
    rows = [
        (held.by, held.value, format_count(held.accuracy.n), held.text,
         *([_accuracy(held.other)] if found.other_title is not None else []))
        for held in found.slices
    ]  # fmt: skip
    return table(("BY", "SLICE", "N", *titles), rows, right=range(2, 3 + len(titles)))


def row_text(row: ScoredRow, found: Explanation) -> str:
    """One row: labels, scores, texts and votes."""
    loss = UNKNOWN if row.loss is None else format_number(row.loss)
    about = [f"row {row.row:,}", row.genre, row.id, f"loss {loss}"]
    lines = [" · ".join(clean_line(part) for part in about if part)]
    answers = [("gold", row.gold, None), (found.title, format_predicted(row.predicted), row.scores)]
    if found.other_title is not None:
        answers.append((found.other_title, format_predicted(row.other_predicted), row.other_scores))
    width = max(11, *(len(clean_line(name, limit=40)) for name, _, _ in answers))
    for name, label, scores in answers:
        lines.append(f"  {clean_line(name, limit=40):{width}}  {label}{_scores(scores)}")
    for name, text in (("premise", row.premise), ("hypothesis", row.hypothesis)):
        if text is not None:
            lines.append(f"  {name:{width}}  {clean_line(text)}")
    if len(row.votes) > 1:
        lines.append(f"  {'annotators':{width}}  {', '.join(clean_line(vote) for vote in row.votes)}")
    return "\n".join(lines)


def _scores(scores: Mapping[str, float] | None) -> str:
    if scores is None:
        return ""
    return "  (" + ", ".join(f"{label} {100 * share:.1f} %" for label, share in scores.items()) + ")"


def _accuracy(held: Accuracy | None) -> str:
    return UNKNOWN if held is None else format_accuracy(held.value, held.low, held.high)
