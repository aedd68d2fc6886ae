"""Names that fields suggest: models, datasets, prompt templates, and what a list may hold.

Anything else may be typed, too.
"""

from collections.abc import Callable, Iterable, Mapping

import textual.suggester

from nli_console.data.prompts.catalogue import Catalogue as Templates
from nli_console.data.resolve import DEMO_DATA, DEMO_MODELS
from nli_console.methods.base import Method
from nli_console.methods.fields import FieldDescription
from nli_console.settings import Settings

_EXPLAINED = {
    "demo-encoder": "the tiny encoder that comes along",
    "demo-decoder": "the tiny decoder that comes along",
    DEMO_DATA: "the corpus that comes along",
}
_SUGGESTING = ("model", "data", "template")


class Suggester(textual.suggester.Suggester):
    """Completes what is typed to the first of the names that there are at that moment."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        super().__init__(use_cache=False)
        self._names = names

    async def get_suggestion(self, value: str) -> str | None:
        return next((name for name in self._names() if name.casefold().startswith(value)), None)


def suggests(field: FieldDescription) -> bool:
    """Whether :func:`suggestions` may have something for a field."""
    return field.name in _SUGGESTING or bool(field.choices or field.options)


def suggestions(
    settings: Settings, method: Method, field: FieldDescription, templates: Templates
) -> Mapping[str, str]:
    """Name → what it stands for; empty for a field that suggests nothing."""
    match field.name:
        case "model":
            names = (*DEMO_MODELS, *settings.models, "roberta-base", "roberta-large")
            return {name: settings.models.get(name) or _EXPLAINED.get(name, "from the hub") for name in names}
        case "data":
            return {name: explain_data(settings, name) for name in known_data(settings)}
        case "template":
            return _suitable(templates, method)
        case _ if field.options is not None:
            return field.options()
        case _:
            return dict.fromkeys(field.choices, "")


def known_data(settings: Settings) -> tuple[str, ...]:
    """Datasets by name."""
    return tuple(dict.fromkeys((DEMO_DATA, *settings.datasets, "nyu-mll/multi_nli")))


def explain_data(settings: Settings, name: str) -> str:
    """Where a dataset of a name is from."""
    known = settings.datasets.get(name)
    return _EXPLAINED.get(name, "from the hub") if known is None else known.path


def _suitable(templates: Templates, method: Method) -> dict[str, str]:
    """The templates that the method can ask with; the user's own say so."""
    return {
        template.name: ("your own; " if template.name in templates.own else "") + template.description
        for template in templates.templates
        if (template.format == "masked") == (method.task == "masked")
    }
