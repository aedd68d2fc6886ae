"""Write the README's table of methods from what the methods and presets declare.

Run it after a method, a preset or a figure has changed: ``python scripts/methods_table.py``.
"""

import re
import tempfile
from pathlib import Path

from nli_console.methods.overview import markdown, overview

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- methods: written by scripts/methods_table.py -->\n"
END = "<!-- end of methods -->\n"


def with_table(text: str) -> str:
    """``text`` with the table between the marks as it is now.

    Raises:
        ValueError: the marks are not there, once each.
    """
    with tempfile.TemporaryDirectory() as empty:
        table = markdown(overview(Path(empty)))
    parts = re.split(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, flags=re.DOTALL)
    if len(parts) != 2:
        raise ValueError(f"{README.name}: expected {BEGIN.strip()} and {END.strip()} once each")
    return f"{parts[0]}{BEGIN}{table}{END}{parts[1]}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
