"""Options that several commands share, and how their values are read."""

import re
from typing import Annotated

from cyclopts import Parameter

from nli_console.errors import ConsoleError

Json = Annotated[bool, Parameter(negative="", help="print JSON and nothing else on stdout")]
Run = Annotated[str, Parameter(help="id of a run or group, a unique beginning of one, or its name")]

_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?"
)
_UNITS = (86400.0, 3600.0, 60.0, 1.0)


def parse_duration(option: str, text: str) -> float:
    """Seconds of ``90``, ``45m``, ``2h30m`` or ``1d``.

    Raises:
        ConsoleError: anything else, or nothing above zero.
    """
    match = _DURATION.fullmatch(text.strip().replace(" ", "").lower())
    seconds = (
        sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)
        if match
        else 0
    )
    if not seconds > 0:
        raise ConsoleError(
            f"{option} {text}: expected a time above zero, such as 90 (seconds), 45m, 2h30m or 1d"
        )
    return seconds


def parse_number(option: str, text: str, *, above: float, most: float) -> float:
    """A number in ``(above, most]``."""
    try:
        value = float(text)
    except ValueError:
        raise ConsoleError(f"{option} {text}: must be a number{_of_a_percentage(text)}") from None
    if not above < value <= most:
        raise ConsoleError(f"{option} {text}: must be more than {above:g} and at most {most:g}")
    return value


def _of_a_percentage(text: str) -> str:
    """`` such as 0.1`` for ``10%``."""
    try:
        return (
            f", such as {float(text.strip().removesuffix('%')) / 100:g}" if text.strip().endswith("%") else ""
        )
    except ValueError:
        return ""


def parse_seed(text: str) -> int:
    """A seed: a whole number from 0 below 2³²."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise ConsoleError(f"--seed {text}: must be a whole number from 0 to 4294967295")
    return int(text)


def split_names(text: str) -> tuple[str, ...]:
    """``wandb,mlflow`` → ``("wandb", "mlflow")``."""
    return tuple(name for part in text.split(",") if (name := part.strip()))
