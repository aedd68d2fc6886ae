"""What every screen has: mode bar and status line, key bar, and a message when the terminal is too small."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from nli_console.tui.frugal import make_frugal
from nli_console.tui.keys import Group
from nli_console.tui.messages import ScreenDrawn, ScreenOpened
from nli_console.tui.widgets.key_bar import KeyBar
from nli_console.tui.widgets.mode_bar import ModeBar
from nli_console.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from nli_console.tui.app import ConsoleApp

MINIMUM_WIDTH = 60
MINIMUM_HEIGHT = 20
TALL = 32
"""Rows from which dialogs have a margin around them."""

# A dialog's greatest size, as in the style sheet. A terminal that is not tall is used in full.
_DIALOG_WIDTH, _DIALOG_WIDTH_SHARE, _DIALOG_HEIGHT_SHARE = 100, 0.9, 0.85
Result = TypeVar("Result")


class TooSmall(Static):
    """Shown instead of everything else below 60×20."""

    def __init__(self) -> None:
        super().__init__(
            f"The terminal is too small.\nMake it at least {MINIMUM_WIDTH} columns by {MINIMUM_HEIGHT} rows."
            "\nctrl+q quits.",
            markup=False,
        )


class _Frugal(Screen[Result]):
    """A screen that sends the terminal what changed and nothing else."""

    # Textual would repaint the whole screen whenever another widget gets the focus.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(self) -> None:
        super().__init__()
        make_frugal(self)
        self._drawn = False

    def _compositor_refresh(self) -> None:
        # Textual would draw what it then does not show.
        if self.app._batch_count:  # pyright: ignore[reportPrivateUsage]
            return
        super()._compositor_refresh()
        if not self._drawn:
            self._drawn = True
            self.drawn()

    def drawn(self) -> None:
        """The first frame was sent to the terminal."""


class _Sized:
    HORIZONTAL_BREAKPOINTS = [
        (0, "-too-narrow"),
        (MINIMUM_WIDTH, "-narrow"),
        (100, "-medium"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-too-short"), (MINIMUM_HEIGHT, "-short"), (TALL, "-tall")]


class ConsoleScreen(_Sized, _Frugal[None]):
    """Base of the modes' screens. Subclasses yield their content from :meth:`body`.

    The widths are classes on the screen: ``-narrow`` (60…99), ``-medium`` (100…119), ``-wide`` (from 120);
    the heights ``-short`` (20…31) and ``-tall``. ``-ascii`` is set on the app when only ASCII may be drawn.
    """

    mode: ClassVar[str]
    """Name of the mode, as in :data:`nli_console.tui.modes.MODES`."""
    key_group: ClassVar[str]
    """Group of :data:`nli_console.tui.keys.GROUPS` with this screen's keys."""

    @property
    def shell(self) -> "ConsoleApp":
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        with Horizontal(id="top"):
            yield ModeBar(self.mode)
            yield StatusLine()
        with Container(id="body"):
            yield from self.body()
        yield KeyBar(self.key_group)
        yield TooSmall()

    def on_mount(self) -> None:
        self.app.post_message(ScreenOpened(self))

    def body(self) -> ComposeResult:
        """The screen's own widgets."""
        yield from ()

    def drawn(self) -> None:
        self.app.post_message(ScreenDrawn(self))

    async def begin(self) -> None:
        """The first frame stands: what competes with it for the processor may begin."""

    def explained(self) -> Sequence[Group]:
        """What the help says before the keys."""
        return ()

    def zoom(self, zoomed: bool) -> None:
        """Give one thing the whole screen (class ``-zoomed``) or take it back; the key bar follows."""
        self.set_class(zoomed, "-zoomed")
        self.query_one(KeyBar).refresh()

    def leave(self) -> None:
        """Another mode is shown: nobody types into a field here until one is gone to again."""
        if self.focused is not None and self.focused.check_consume_key("1", "1"):
            self.set_focus(None)

    def peel(self) -> bool:
        """Close the screen's topmost layer (filter, zoom, focus); ``False`` when there was none."""
        return False


class ConsoleModal(_Sized, _Frugal[Result], ModalScreen[Result]):
    """Base of dialogs: Esc closes them without a result."""

    BINDINGS = [("escape", "cancel", "close")]

    def compose(self) -> ComposeResult:
        with Container(id="dialog"):
            yield from self.body()
        yield TooSmall()

    def body(self) -> ComposeResult:
        """The dialog's own widgets."""
        yield from ()

    def rows_for_list(self, others: int) -> int:
        """Rows that the dialog's list may have beside ``others``, so that none of them is pushed out."""
        height = self.size.height
        inside = height - 2 if height < TALL else int(_DIALOG_HEIGHT_SHARE * height) - 4
        return max(inside - others, 3)

    @property
    def columns_inside(self) -> int:
        """Columns between the borders and margins of the dialog."""
        return min(_DIALOG_WIDTH, int(_DIALOG_WIDTH_SHARE * self.size.width)) - 6

    def action_cancel(self) -> None:
        self.dismiss(None)
