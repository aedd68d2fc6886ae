"""The method that the settings begin with; what methods there are, the settings themselves do not know."""

from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.base import Method
from nli_console.methods.fields import did_you_mean
from nli_console.settings import LoadedSettings, Settings
from nli_console.settings_file import key_line
from nli_console.text import clean_line


def default_method(settings: LoadedSettings) -> Method:
    """``defaults.method`` of the settings.

    Raises:
        ConsoleError: there is no such method; the message names file, line and value.
    """
    problem = default_problem(settings)
    if problem is not None:
        raise ConsoleError(problem)
    return registry.get(settings.values.defaults.method)


def method_to_begin_with(settings: Settings) -> Method:
    """``defaults.method`` of the settings, or the first method where that is unknown."""
    known = registry.methods()
    return known.get(settings.defaults.method) or next(iter(known.values()))


def default_problem(settings: LoadedSettings) -> str | None:
    """What is wrong with ``defaults.method`` of the settings, if anything is."""
    name, known = settings.values.defaults.method, registry.methods()
    if name in known:
        return None
    place = ""
    if settings.path is not None:
        try:
            line = key_line(settings.path, "defaults", "method")
        except ConsoleError:
            line = None  # It has changed since it was read.
        place = f"{clean_line(settings.path)}{'' if line is None else f', line {line}'}: "
    return (
        f'{place}defaults.method = "{clean_line(name, limit=60)}": there is no such method'
        f"{did_you_mean(name, known)} (methods: {', '.join(known)})"
    )
