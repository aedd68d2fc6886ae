"""How a person likes the history: its columns and its order, kept from one day to the next."""

from dataclasses import dataclass
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.places import state_folder
from nli_console.record.files import ensure_private_dir, read_json_or_none, write_json
from nli_console.text import clean_line
from nli_console.tui.widgets.run_columns import STARTED

FILE_NAME = "history.json"
_COLUMNS_READ = 60


@dataclass(frozen=True, slots=True)
class HistoryView:
    """Names of the columns in their order (``None``: the usual ones), and what the rows are sorted by."""

    columns: tuple[str, ...] | None = None
    sort: str = STARTED
    descending: bool = True


def load_view(folder: Path | None = None) -> HistoryView:
    """What was kept; the usual view where nothing was, or where it cannot be read."""
    kept = read_json_or_none((folder or state_folder()) / FILE_NAME) or {}
    columns, sort = kept.get("columns"), kept.get("sort")
    listed = columns[:_COLUMNS_READ] if isinstance(columns, list) else []
    names = tuple(clean_line(name, limit=80) for name in listed if isinstance(name, str))
    return HistoryView(
        names or None,
        clean_line(sort, limit=80) if isinstance(sort, str) and sort else STARTED,
        kept.get("descending") is not False,
    )


def save_view(view: HistoryView, folder: Path | None = None) -> None:
    """Keep a view.

    Raises:
        ConsoleError: it cannot be written.
    """
    path = ensure_private_dir(folder or state_folder()) / FILE_NAME
    columns = None if view.columns is None else list(view.columns)
    try:
        write_json(path, {"v": 1, "columns": columns, "sort": view.sort, "descending": view.descending})
    except OSError as error:
        raise ConsoleError(
            f"{clean_line(path)}: columns and order cannot be kept for the next time: {error.strerror}"
        ) from error
