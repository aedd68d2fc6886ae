"""Who answers, and what is put beside it: the choices by name, and the ways to ask that they stand for."""

from collections.abc import Iterable, Mapping, Sequence

from nli_console.data.prompts import PromptTemplate
from nli_console.record.trained_adapters import TrainedAdapter
from nli_console.tui.chat_desk import Side

BASE = "base model"
NOTHING = "nothing"
_TEMPLATE = "template "


def by_name(adapters: Iterable[TrainedAdapter]) -> Mapping[str, TrainedAdapter | None]:
    """Name → adapter, the base model first. Names that are taken get the run's id behind them."""
    found: dict[str, TrainedAdapter | None] = {BASE: None}
    for adapter in adapters:
        name = f"adapter {adapter.name}"
        found[name if name not in found else f"{name} {adapter.run_id}"] = adapter
    return found


def compared(
    answerers: Mapping[str, TrainedAdapter | None], who: str, templates: Sequence[str], template: str
) -> tuple[str, ...]:
    """What can be put beside the answer of ``who`` with ``template``."""
    others = [name for name in answerers if name != who]
    return (NOTHING, *others, *(_TEMPLATE + name for name in templates if name != template))


def sides(
    template: PromptTemplate,
    who: TrainedAdapter | None,
    versus: str,
    answerers: Mapping[str, TrainedAdapter | None],
    templates: Mapping[str, PromptTemplate],
) -> list[Side]:
    """One way to ask, or two of them: what is chosen, and what ``versus`` names."""
    first = Side(template, who)
    if versus in answerers:
        return [first, Side(template, answerers[versus])]
    other = templates.get(versus.removeprefix(_TEMPLATE)) if versus.startswith(_TEMPLATE) else None
    return [first] if other is None else [first, Side(other, who)]


def title(side: Side, *, alone: bool, former: bool = False) -> str:
    """What stands above the answer; ``former``: the form holds another pair by now."""
    who = "" if side.adapter is None else f"adapter {side.adapter.name}"
    if alone:
        who = who or "Answer"
    about = "another pair: " if former else ""
    return f"{about}{who or BASE}  {side.template.name}"
