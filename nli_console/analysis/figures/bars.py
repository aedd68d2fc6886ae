"""Shares as bars from zero, each with its interval: genres, and other slices."""

from collections.abc import Sequence
from dataclasses import dataclass

from nli_console.analysis.figures.frame import figure, legend
from nli_console.analysis.figures.markup import Markup, element
from nli_console.analysis.figures.scale import Scale

WIDTH = 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 150.0, 96.0, 6.0, 34.0
_BAR, _GAP = 15.0, 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A share between 0 and 1 with its 95 % interval over ``n`` rows."""

    value: float
    low: float | None
    high: float | None
    n: int | None


@dataclass(frozen=True, slots=True)
class BarSeries:
    """The bars of a run by name; ``place`` gives their colour."""

    title: str
    bars: dict[str, Bar]
    place: int = 0


def bar_chart(id: str, title: str, series: Sequence[BarSeries]) -> Markup | None:
    """A group of bars for every name that any series has, or ``None`` where there is none."""
    names = list(dict.fromkeys(name for held in series for name in held.bars))
    if not names:
        return None
    group = len(series) * _BAR + _GAP
    height = _TOP + len(names) * group + _BOTTOM
    place = Scale(0.0, 1.0, _LEFT, WIDTH - _RIGHT)
    bottom, parts = height - _BOTTOM, list[Markup]()
    for tenth in range(0, 11, 2):
        at = place(tenth / 10)
        parts.append(element("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(element("text", f"{10 * tenth} %", x=at, y=bottom + 18, class_="tick middle"))
    for row, name in enumerate(names):
        top = _TOP + row * group + _GAP / 2
        middle = top + len(series) * _BAR / 2
        parts.append(element("text", _short(name), x=_LEFT - 10, y=middle + 4, class_="label end"))
        for line, held in enumerate(series):
            bar = held.bars.get(name)
            if bar is not None:
                parts += _drawn(bar, place, top + line * _BAR, held.place % 8)
    parts.append(element("line", x1=_LEFT, x2=_LEFT, y1=_TOP, y2=bottom, class_="axis"))
    drawn = figure(id, title, _in_words(names, series), WIDTH, height, parts)
    if len(series) == 1:
        return drawn
    samples = [(held.title, held.place % 8, None) for held in series]
    return Markup(legend(samples, bars=True) + drawn)


def _drawn(bar: Bar, place: Scale, top: float, kind: int) -> list[Markup]:
    middle, thick = top + _BAR / 2, _BAR - 3
    parts = [
        element(
            "rect", x=_LEFT, y=top + 1.5, width=max(place(bar.value) - _LEFT, 0.5), height=thick,
            class_=f"bar s{kind}",
        )
    ]  # fmt: skip
    end = bar.value
    if bar.low is not None and bar.high is not None:
        end = max(end, bar.high)
        low, high = place(bar.low), place(bar.high)
        parts.append(element("line", x1=low, x2=high, y1=middle, y2=middle, class_="interval"))
        for at in (low, high):
            parts.append(element("line", x1=at, x2=at, y1=middle - 3, y2=middle + 3, class_="interval"))
    parts.append(element("text", f"{100 * bar.value:.1f} %", x=place(end) + 6, y=middle + 4, class_="tick"))
    return parts


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"


def _in_words(names: Sequence[str], series: Sequence[BarSeries]) -> str:
    said: list[str] = []
    for held in series:
        values = [f"{name} {100 * held.bars[name].value:.1f} %" for name in names if name in held.bars]
        said.append(f"{held.title}: {', '.join(values)}.")
    return " ".join(said)
