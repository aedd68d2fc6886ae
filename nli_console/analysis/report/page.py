"""The page around a report: landmarks, headings, tables, and a style that suits screen, paper and ears."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from nli_console.analysis.figures.markup import Markup, element, join

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A browser that reads it fetches nothing and runs no script, whatever a text in the page may try."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with its heading; ``id`` is where the table of contents leads."""

    id: str
    title: str
    content: Markup


def page(title: str, introduction: Markup, sections: Sequence[Section], colophon: str) -> str:
    """The whole document."""
    style = files("nli_console.analysis.report").joinpath("report.css").read_text(encoding="utf-8")
    contents = element(
        "nav",
        element("h2", "Contents", id="contents"),
        element("ol", [element("li", element("a", part.title, href=f"#{part.id}")) for part in sections]),
        aria_labelledby="contents",
    )
    main = element(
        "main",
        [
            element("section", element("h2", part.title, id=part.id), part.content, aria_labelledby=part.id)
            for part in sections
        ],
        id="main",
        tabindex=-1,
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        Markup(f"<style>{style}</style>"),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip"),
        element("header", element("h1", title), introduction),
        contents,
        main,
        element("footer", element("p", colophon)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def table(
    id: str,
    caption: str,
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[int] = (),
) -> Markup:
    """A table with a caption; the first column names the rows. Columns numbered in ``right`` are numbers.

    It scrolls within itself where it is wider than the page, for the keyboard too.
    """
    flush = set(right)

    def kind(column: int) -> str | None:
        return "number" if column in flush else None

    head = element("tr", [element("th", text, scope="col", class_=kind(i)) for i, text in enumerate(header)])
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", class_=kind(0)),
            [element("td", cell, class_=kind(i)) for i, cell in enumerate(row[1:], 1)],
        )
        for row in rows
    ]
    if not body:
        return Markup()
    drawn = element(
        "table",
        element("caption", caption, id=f"{id}-caption"),
        element("thead", head),
        element("tbody", body),
    )
    return element("div", drawn, class_="scroll", role="region", aria_labelledby=f"{id}-caption", tabindex=0)


def pairs(lines: Sequence[tuple[str, object]]) -> Markup:
    """What is known by name, as a list of descriptions."""
    if not lines:
        return Markup()
    return element("dl", [element("div", element("dt", key), element("dd", value)) for key, value in lines])


def details(summary: str, *content: object) -> Markup:
    """What is opened on demand; on paper it is open."""
    return element("details", element("summary", summary), *content)


def captioned(drawn: Markup | None, caption: str) -> Markup:
    """A figure with its caption; nothing where nothing is drawn."""
    return Markup() if drawn is None else element("figure", drawn, element("figcaption", caption))


def switched(id: str, legend: str, choices: Sequence[tuple[str, Markup]]) -> Markup:
    """One of several contents at a time, chosen without a script: radio buttons, then what they show."""
    if len(choices) == 1:
        return choices[0][1]
    buttons = [
        join(
            element(
                "input", type="radio", name=id, id=f"{id}-{place}", class_=f"pick{place}", checked=not place
            ),
            element("label", title, for_=f"{id}-{place}"),
        )
        for place, (title, _) in enumerate(choices)
    ]
    shown = [element("div", content, class_=f"shown{place}") for place, (_, content) in enumerate(choices)]
    return element("fieldset", element("legend", legend), buttons, shown, class_="switched")
