"""The modes with their number keys; a click switches."""

from textual import events
from textual.content import Content
from textual.widget import Widget

from nli_console.tui.modes import MODES


class ModeBar(Widget):
    """One line: every mode that exists, the current one marked by weight, brackets and colour."""

    ALLOW_SELECT = False

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self._ends: list[tuple[int, str]] = []

    def render(self) -> Content:
        parts: list[Content] = []
        self._ends = []
        width = 0
        for mode in MODES:
            here = mode.name == self.mode
            part = Content.assemble(
                (f" {mode.key} ", "bold $accent" if here else "$muted"),
                (f"{mode.title} ", "bold underline $bright" if here else "$foreground"),
            )
            width += part.cell_length
            self._ends.append((width, mode.name))
            parts.append(part)
        return Content("").join(parts)

    def get_content_width(self, container: object, viewport: object) -> int:
        return sum(len(mode.key) + len(mode.title) + 3 for mode in MODES)

    async def on_click(self, event: events.Click) -> None:
        for end, name in self._ends:
            if event.x < end:
                await self.run_action(f"app.mode('{name}')")
                return
