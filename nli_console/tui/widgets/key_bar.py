"""The key bar: the keys of this place that matter most, as many as fit; ? and the palette have them all."""

from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content
from textual.widget import Widget

from nli_console.tui.keys import GROUPS, Key, is_typed, key_name

if TYPE_CHECKING:
    from nli_console.tui.app import ConsoleApp


class KeyBar(Widget):
    """One line of hints; a click does what the key does."""

    ALLOW_SELECT = False

    def __init__(self, group: str) -> None:
        super().__init__()
        self._group = GROUPS[group]
        self._common = GROUPS["everywhere"].keys
        self._ends: list[tuple[int, Key]] = []
        self._typing = False

    def on_mount(self) -> None:
        self.watch(self.screen, "focused", self._focus_moved)

    def _focus_moved(self, focused: Widget | None) -> None:
        typing = focused is not None and focused.check_consume_key("a", "a")
        if typing != self._typing:
            self._typing = typing
            self.refresh()

    def keys_shown(self, width: int) -> list[Key]:
        """The screen's keys first, then those of everywhere; help and quit always keep their place."""
        common = [key for key in self._common if key.shown and self._to_press(key)]
        room = width - sum(self._hint(key).cell_length for key in common)
        shown: list[Key] = []
        for key in filter(self._to_press, self._own()):
            room -= self._hint(key).cell_length
            if room < 0:
                break
            shown.append(key)
        return shown + common

    def _own(self) -> list[Key]:
        if not self.screen.has_class("-zoomed"):
            return [key for key in self._group.keys if key.shown]
        # Of two keys with one id, such as a page on and a page back, the first stands for both.
        by_id = {key.id: key for key in reversed((*self._group.keys, *self._common))}
        return [by_id[id] for id in self._group.zoomed]

    def _to_press(self, key: Key) -> str:
        """What to press for it now; nothing in a text field that would take every one of its keys."""
        names = key.keys.split(",")
        if self._typing:
            every = (*self._group.keys, *self._common)
            names = [name for other in every if other.action == key.action for name in other.keys.split(",")]
            names = [name for name in names if not is_typed(name)]
        return key_name(names[0]) if names else ""

    def _hint(self, key: Key) -> Content:
        return Content.assemble((f" {self._to_press(key)}", "bold $accent"), (f" {key.label} ", "$muted"))

    def render(self) -> Content:
        parts: list[Content] = []
        self._ends = []
        used = 0
        for key in self.keys_shown(self.size.width):
            part = self._hint(key)
            used += part.cell_length
            self._ends.append((used, key))
            parts.append(part)
        return Content("").join(parts)

    async def on_click(self, event: events.Click) -> None:
        # Not by simulating the key: a text field that has the focus would take it.
        for end, key in self._ends:
            if event.x < end:
                await cast("ConsoleApp", self.app).perform(key.action)
                return
