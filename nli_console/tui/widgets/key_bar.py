"""The key bar: the keys of this place that matter most, as many as fit; ? and the palette have them all."""

from textual import events
from textual.content import Content
from textual.widget import Widget

from nli_console.tui.keys import GROUPS, Key, key_name


class KeyBar(Widget):
    """One line of hints; a click presses the key."""

    ALLOW_SELECT = False

    def __init__(self, group: str) -> None:
        super().__init__()
        self._group = group
        self._ends: list[tuple[int, str]] = []

    def keys_shown(self, width: int) -> list[Key]:
        """The screen's keys first, then those of everywhere; help and quit always keep their place."""
        own = [key for key in GROUPS[self._group].keys if key.shown]
        common = [key for key in GROUPS["everywhere"].keys if key.shown]
        room = width - sum(self._hint(key).cell_length for key in common)
        shown: list[Key] = []
        for key in own:
            room -= self._hint(key).cell_length
            if room < 0:
                break
            shown.append(key)
        return shown + common

    @staticmethod
    def _hint(key: Key) -> Content:
        return Content.assemble(
            (f" {key_name(key.keys.split(',')[0])}", "bold $accent"), (f" {key.label} ", "$muted")
        )

    def render(self) -> Content:
        parts: list[Content] = []
        self._ends = []
        used = 0
        for key in self.keys_shown(self.size.width):
            part = self._hint(key)
            used += part.cell_length
            self._ends.append((used, key.keys.split(",")[0].strip()))
            parts.append(part)
        return Content("").join(parts)

    def on_click(self, event: events.Click) -> None:
        for end, key in self._ends:
            if event.x < end:
                self.app.simulate_key(key)
                return
