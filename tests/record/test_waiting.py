"""What stands behind the word ``queued``."""

import pytest

from nli_console.record.waiting import Waiting


@pytest.mark.parametrize(
    ("waiting", "mark"),
    [
        (Waiting("a CPU slot", place=2, of=3, obstacle="slot"), "2"),
        (Waiting("its release: ann holds it back", obstacle="held"), "held"),
        (Waiting("the driver"), ""),
    ],
)
def test_a_place_or_that_the_run_is_held_back(waiting: Waiting, mark: str) -> None:
    assert waiting.mark == mark
