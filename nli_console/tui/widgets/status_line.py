"""The status line: what the machine does and how many runs are going, without a clock."""

from textual.content import Content
from textual.widget import Widget

from nli_console.tui.status import Status


class StatusLine(Widget):
    """The longest of several forms that fits; repainted only when a shown value changed."""

    ALLOW_SELECT = False

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)

    def _show(self, status: Status) -> None:
        self.refresh()

    def render(self) -> Content:
        status: Status = getattr(self.app, "status", Status())
        separator = Content.styled(" │ " if not self.app.has_class("-ascii") else " | ", "$faint")
        forms = status.forms()
        for form in forms:
            content = separator.join(form)
            if content.cell_length <= self.size.width - 1:
                return content
        return forms[-1][-1]
