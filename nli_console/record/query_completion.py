"""What may come next in a filter: names of fields, and the values that the history has for them."""

import re
from dataclasses import dataclass

from nli_console.record.history_fields import NUMERIC, SHORT, HistoryField, Vocabulary
from nli_console.record.query import ARE, terms
from nli_console.record.query_values import EXAMPLES

LIMIT = 12
"""Options at once: more than a line has room for."""
_QUOTED = re.compile(r'[\s",]')
_SIGN = re.compile(r">=|<=|!=|[:=<>]")
_FIRST = ("method", "state", "accuracy", "started", "tag", "model", "is", "name")
"""Fields to begin with, while nothing is typed."""


@dataclass(frozen=True, slots=True)
class Option:
    """A text that may stand in a completion's place, and a word on it."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """``options`` for what stands from ``start`` to ``end`` of a filter, the likeliest first."""

    start: int
    end: int
    options: tuple[Option, ...] = ()

    def applied(self, text: str, option: Option) -> tuple[str, int]:
        """``text`` with ``option`` in its place, and where the cursor then stands."""
        space = "" if _SIGN.search(option.text[-2:]) or text[self.end : self.end + 1] == " " else " "
        return text[: self.start] + option.text + space + text[self.end :], self.start + len(
            option.text + space
        )


def complete(text: str, cursor: int, vocabulary: Vocabulary) -> Completion:
    """What the term under ``cursor`` may become."""
    term = next((term for term in terms(text) if term.body <= cursor <= term.end), None)
    if term is None:
        return Completion(cursor, cursor, _names("", vocabulary))
    if term.name is None:
        if text[term.body : term.body + 1] == '"':
            return Completion(term.body, term.end)
        return Completion(term.body, term.end, _names(text[term.body : cursor], vocabulary))
    begin = term.body + len(term.name) + len(term.operator)
    if cursor < begin:
        return Completion(term.body, begin, _names(text[term.body : cursor], vocabulary))
    value = next((value for value in term.values if value.start <= cursor <= value.end), None)
    start, end = (cursor, cursor) if value is None else (value.start, value.end)
    typed = text[start:cursor].lstrip('"').casefold()
    return Completion(start, end, _values(term.name, term.operator, typed, vocabulary))


def _names(typed: str, vocabulary: Vocabulary) -> tuple[Option, ...]:
    """Fields whose name, or one of whose other names, begins with what was typed."""
    prefix = typed.casefold().replace("-", "_")
    if not prefix:
        fields = [vocabulary.find(name) for name in _FIRST]
        known = zip(_FIRST, fields, strict=True)
        return tuple(_field_option(name, field) for name, field in known)
    found = [
        _field_option(name, field)
        for field in vocabulary.fields
        if (name := next((each for each in (field.name, *field.aliases) if each.startswith(prefix)), None))
    ]
    found += [
        Option(f"{short}=", name.replace("_", " "))
        for short, name in SHORT.items()
        if short.startswith(prefix)
    ]
    if "is".startswith(prefix):
        found.append(_field_option("is", None))
    if "pinned".startswith(prefix):
        found.append(Option("pinned", ARE["pinned"][1]))
    return tuple(found[:LIMIT])


def _field_option(name: str, field: HistoryField | None) -> Option:
    if field is None:
        return Option(f"{name}:", "pinned, live, evaluation, …")
    # What is measured is compared; an age is the usual thing to ask of a moment.
    sign = ">" if field.kind in NUMERIC - {"moment", "setting"} else ":"
    return Option(f"{name}{'=' if field.kind == 'setting' else sign}", field.help)


def _values(name: str, sign: str, typed: str, vocabulary: Vocabulary) -> tuple[Option, ...]:
    if name.casefold() == "is":
        return tuple(Option(word, about) for word, (_, about) in ARE.items() if word.startswith(typed))
    field = vocabulary.find(name)
    if field is None:
        return ()
    if field.kind in NUMERIC and field.kind != "setting":
        return tuple(Option(each) for each in EXAMPLES[field.kind][1] if each.startswith(typed))
    inside = field.kind == "text" and sign == ":"
    found = [
        Option(_quoted(word))
        for word in vocabulary.values(field)
        if (typed in word.casefold() if inside else word.casefold().startswith(typed))
    ]
    return tuple(found[:LIMIT])


def _quoted(word: str) -> str:
    if not _QUOTED.search(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
