"""Runs with predictions on data that are there."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from nli_console.record.layout import RunLayout
from tests.support.fake_predictions import pairs, write_data, write_predictions
from tests.support.fake_runs import make_run

ROWS = pairs(120)


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., RunLayout]:
    """A finished run that answers :data:`ROWS`, the rows at the places ``wrong`` with another label."""
    data = write_data(tmp_path / "pairs", ROWS)

    def make(wrong: Collection[int] = (), name: str = "", **more: Any) -> RunLayout:
        spec = {"steps": 20, "data": data, "name": name, **more}
        layout = make_run(tmp_path / "runs", "finished", **spec)
        write_predictions(layout, ROWS, wrong)
        return layout

    return make
