"""Markup in which nobody can forget to escape: texts are escaped, what was built here is not once more."""

from collections.abc import Iterable
from html import escape

from nli_console.text import clean

_VOID = frozenset({"meta", "br", "input", "hr"})


class Markup(str):
    """Finished markup; only :func:`element` and :func:`join` make it from untrusted text."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """``<tag attributes>children</tag>``.

    Children are texts, numbers, :class:`Markup` and lists of them; ``None`` is nothing. In the names of
    attributes ``_`` stands for ``-``, and one at the end is dropped (``class_``). ``True`` is an attribute
    without a value, ``None`` and ``False`` are left out.
    """
    shown = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{join(*children)}</{tag}>")


def join(*children: object) -> Markup:
    """The children one after the other, texts escaped and without control characters."""
    return Markup("".join(map(_child, children)))


def number(value: float) -> str:
    """A coordinate: at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(clean(child))
    if isinstance(child, Iterable):
        return join(*child)
    return escape(clean(child))


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    # SVG is particular about the case of the one attribute that has two words.
    written = "viewBox" if written == "viewbox" else written
    if value is True:
        return f" {written}"
    text = number(value) if isinstance(value, float) else str(value)
    return f' {written}="{escape(clean(text))}"'
