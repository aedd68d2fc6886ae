"""Names that the model and data fields suggest. Anything else may be typed, too."""

from nli_console.data.resolve import DEMO_DATA, DEMO_MODELS
from nli_console.settings import Settings

_EXPLAINED = {
    "demo-encoder": "the tiny encoder that comes along",
    "demo-decoder": "the tiny decoder that comes along",
    DEMO_DATA: "the corpus that comes along",
}


def known_names(settings: Settings, field: str) -> tuple[str, ...]:
    """Suggestions for a field of the form; empty for one that has none."""
    match field:
        case "model":
            return tuple(dict.fromkeys((*DEMO_MODELS, *settings.models, "roberta-base", "roberta-large")))
        case "data":
            return tuple(dict.fromkeys((DEMO_DATA, *settings.datasets, "nyu-mll/multi_nli")))
        case _:
            return ()


def explain(settings: Settings, field: str, name: str) -> str:
    """What a suggested name stands for."""
    if field == "model" and name in settings.models:
        return settings.models[name]
    if field == "data" and name in settings.datasets:
        return settings.datasets[name].path
    if field in ("model", "data"):
        return _EXPLAINED.get(name, "from the hub")
    return ""
