"""Options that several commands share, and how their values are read."""

from typing import Annotated

from cyclopts import Parameter

from nli_console.errors import ConsoleError

Json = Annotated[bool, Parameter(negative="", help="print JSON and nothing else on stdout")]
Run = Annotated[str, Parameter(help="id of a run or group, a unique beginning of one, or its name")]


def parse_seed(text: str) -> int:
    """A seed: a whole number from 0 below 2³²."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise ConsoleError(f"--seed {text}: must be a whole number from 0 to 4294967295")
    return int(text)
