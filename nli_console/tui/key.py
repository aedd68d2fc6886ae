"""What a key of the registry is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One action: keys (Textual names, comma separated), a word for the key bar, a sentence for the help."""

    keys: str
    action: str
    label: str
    help: str
    shown: bool = False
    """Whether the key bar has it; help and palette always do."""
    priority: bool = False
    """Whether it wins over the focused widget: only for keys that nobody types into a field."""
    bound: bool = True
    """Whether the screen binds it; a widget's own keys are only described here."""

    @property
    def id(self) -> str:
        """Stable name of the binding, for key maps and tests."""
        return self.action.partition("(")[0]


@dataclass(frozen=True, slots=True)
class Group:
    """Keys of one place, in the order they are shown."""

    title: str
    keys: tuple[Key, ...]
    zoomed: tuple[str, ...] = ()
    """Ids of what the key bar shows while one thing has the whole screen, in that order."""
