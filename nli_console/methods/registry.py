"""All methods. A method is a file of this package that defines a subclass of :class:`Method`."""

import importlib
import pkgutil
from functools import cache

from nli_console import methods as package
from nli_console.errors import ConsoleError
from nli_console.methods.base import Method
from nli_console.methods.fields import did_you_mean


@cache
def methods() -> dict[str, Method]:
    """Name → method, in the order in which lists show them."""
    found: list[Method] = []
    for entry in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if entry.ispkg or entry.name == __name__:
            continue
        module = importlib.import_module(entry.name)
        found += [
            item()
            for item in vars(module).values()
            if isinstance(item, type)
            and issubclass(item, Method)
            and item.__module__ == entry.name
            and not item.__abstractmethods__
        ]
    return {method.name: method for method in sorted(found, key=lambda method: method.position)}


def get(name: str) -> Method:
    """The method called ``name``.

    Raises:
        ConsoleError: there is none; the message names the closest, and all of them.
    """
    known = methods()
    if name in known:
        return known[name]
    raise ConsoleError(
        f'method "{name}" does not exist{did_you_mean(name, known)} (methods: {", ".join(known)})'
    )
