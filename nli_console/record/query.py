"""The filter of the history: ``method:lora accuracy>0.85 started:7d tag:paper -state:failed``.

Every term must hold. A term is a word or "quoted words" that stand anywhere in a run, ``field:value`` (holds,
or begins with), ``field=value`` (is exactly), ``field!=value``, or ``field>value`` and its like for what is
measured; several values may stand between commas, ``a..b`` is a range, and ``-`` in front turns a term round.
Pure: nothing is read; moments such as ``7d`` are measured from when a run is looked at.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from nli_console.errors import ConsoleError
from nli_console.methods.fields import did_you_mean, either
from nli_console.record.history_fields import NUMERIC, HistoryField, Vocabulary
from nli_console.record.matching import Query, Test
from nli_console.record.query_values import EXAMPLES, ValueProblem, test_of
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.text import clean_line

_FIELD = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)(?P<operator>>=|<=|!=|[:=<>])")
_VALUE = re.compile(r'"(?P<quoted>(?:\\.|[^"\\])*)(?P<closed>"?)|(?P<comma>,)|(?P<plain>[^",\s]+)')
_ESCAPE = re.compile(r"\\(.)")

ARE: dict[str, tuple[Callable[[RunSummary], object], str]] = {
    "pinned": (lambda run: run.pinned, "kept at the top"),
    "live": (lambda run: run.state.state.live, "waiting or at work"),
    "resumable": (lambda run: run.state.resumable, "can be resumed"),
    "evaluation": (lambda run: run.evaluates, "scores what another run made"),
    "grouped": (lambda run: run.group, "one of several launched together"),
    "tagged": (lambda run: run.tags, "has a tag"),
    "noted": (lambda run: run.notes, "has notes"),
    "warned": (lambda run: run.guards, "a guard was raised"),
    "foreign": (lambda run: run.read_only, "may be looked at only"),
    "newer": (lambda run: run.newer, "written by a newer version"),
}
"""What ``is:`` asks."""
_FLAGS = ("pinned",)
"""Words that mean ``is:`` without being told so."""


class QueryError(ConsoleError):
    """A filter that cannot be read: what is wrong with the characters from ``start`` to ``end``.

    ``incomplete``: what stands there is right and something must follow.
    """

    def __init__(self, problem: str, start: int, end: int, *, incomplete: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.start = start
        self.end = max(end, start + 1)
        self.incomplete = incomplete


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a term, and where it stands in the filter."""

    text: str
    start: int
    end: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One term as it was read; ``start`` is of its ``-``, ``body`` of what follows that.

    ``name`` is ``None`` for a bare word, of which ``values`` holds the text.
    """

    start: int
    body: int
    end: int
    negative: bool
    name: str | None
    operator: str
    values: tuple[Value, ...]
    unclosed: int | None = None


def parse(text: str, vocabulary: Vocabulary | None = None) -> Query:
    """Read a filter.

    Raises:
        QueryError: the first term that cannot be read.
    """
    known = vocabulary or Vocabulary()
    words: list[tuple[str, bool]] = []
    tests: list[tuple[Test, bool]] = []
    for term in terms(text):
        if term.unclosed is not None:
            raise QueryError('this quote is not closed; put a " behind it', term.unclosed, term.end,
                             incomplete=True)  # fmt: skip
        if term.name is not None:
            tests.append((_test(term, known), not term.negative))
            continue
        word = term.values[0] if term.values else None
        if word is None:
            continue
        if not word.quoted and word.text.casefold() in _FLAGS:
            tests.append((_is(word.text.casefold()), not term.negative))
        elif word.text:
            words.append((word.text.casefold(), not term.negative))
    return Query(text.strip(), tuple(words), tuple(tests))


def readable(text: str, vocabulary: Vocabulary | None = None) -> str:
    """A filter without the terms that cannot be read, so that a slip in one leaves the others in force."""
    while True:
        try:
            return parse(text, vocabulary).text
        except QueryError as error:
            bad = next(term for term in terms(text) if term.start <= error.start <= term.end)
            text = text[: bad.start] + text[bad.end :]


def terms(text: str) -> list[Term]:
    """The terms of a filter as they stand, whatever they mean."""
    found: list[Term] = []
    place = 0
    while True:
        while place < len(text) and text[place].isspace():
            place += 1
        if place == len(text):
            return found
        term = _term(text, place)
        found.append(term)
        place = term.end


def _term(text: str, start: int) -> Term:
    negative = text[start] in "-!"
    body = start + negative
    match = _FIELD.match(text, body)
    values, end, unclosed = _values(text, match.end() if match else body, split=match is not None)
    if match is None:
        return Term(start, body, end, negative, None, "", values, unclosed)
    name, operator = match["name"], match["operator"]
    return Term(start, body, end, negative, name, operator, values, unclosed)


def _values(text: str, start: int, *, split: bool) -> tuple[tuple[Value, ...], int, int | None]:
    """The values from ``start`` on, where they end, and where a quote begins that is never closed."""
    values: list[Value] = []
    parts: list[str] = []
    begun, place, quoted, unclosed = start, start, False, None
    while match := _VALUE.match(text, place):
        place = match.end()
        if match["comma"] is not None and split:
            values.append(Value("".join(parts), begun, match.start(), quoted))
            parts, begun, quoted = [], place, False
        elif match["quoted"] is not None:
            parts.append(_ESCAPE.sub(r"\1", match["quoted"]))
            quoted = True
            if not match["closed"]:
                unclosed = match.start()
        else:
            parts.append(match[0])
    if parts or values:
        values.append(Value("".join(parts), begun, place, quoted))
    return tuple(values), place, unclosed


def _test(term: Term, vocabulary: Vocabulary) -> Test:
    name, operator = term.name or "", term.operator
    behind = term.body + len(name)
    field = None if name.casefold() == "is" else vocabulary.find(name)
    if field is None and name.casefold() != "is":
        hint = did_you_mean(name.casefold(), [*vocabulary.names, "is"])
        problem = (
            f'no field is called "{clean_line(name, limit=40)}"{hint or "; put it in quotes to find it"}'
        )
        raise QueryError(problem, term.body, behind)
    allowed = (":", "=", "!=") if field is None or field.kind not in NUMERIC else None
    if allowed and operator not in allowed:
        raise QueryError(f"{name} has no order; it takes {either(allowed)}", behind, behind + len(operator))
    values = [value for value in term.values if value.text or value.quoted]
    if not values:
        raise QueryError(f"{name}{operator} {expected(field)}", term.end, term.end + 1, incomplete=True)
    if len(values) > 1 and operator not in (":", "=", "!="):
        raise QueryError(f"{name}{operator} takes one value", values[1].start, values[-1].end)
    found = [_value_test(field, operator, value, term.end) for value in values]
    test = found[0] if len(found) == 1 else lambda run: any(each(run) for each in found)
    return (lambda run: not test(run)) if operator == "!=" else test


def _value_test(field: HistoryField | None, operator: str, value: Value, end: int) -> Test:
    text = value.text.casefold()
    if field is None:
        names = [name for name in ARE if name == text or (operator == ":" and name.startswith(text))]
        if not names:
            raise QueryError(f"is: takes {either(ARE)}{did_you_mean(text, ARE)}", value.start, value.end)
        return _is(names[0])
    if field.name == "state" and not value.quoted and not any(state.startswith(text) for state in State):
        raise QueryError(
            f'no state begins with "{clean_line(value.text, limit=40)}"{did_you_mean(text, list(State))} '
            f"(states: {', '.join(State)})",
            value.start,
            value.end,
        )
    try:
        return test_of(field, operator, value.text)
    except ValueProblem as problem:
        raise QueryError(str(problem), value.start, value.end, incomplete=problem.incomplete
                         and value.end == end) from None  # fmt: skip


def _is(name: str) -> Test:
    holds = ARE[name][0]
    return lambda run: bool(holds(run))


def expected(field: HistoryField | None) -> str:
    """``expects a share, such as 0.85 or 85%``."""
    return f"expects {EXAMPLES['word' if field is None else field.kind][0]}"
