"""Each fault has its tests, and what the documents promise is backed by one that is there."""

import re
from pathlib import Path

import pytest

from tests.faults import FAULTS

TESTS = Path(__file__).parents[1]
SECURITY = TESTS.parent / "docs" / "security.md"


def is_there(test: str) -> bool:
    """Whether ``file::name`` is a test below ``tests/``."""
    file, _, name = test.partition("::")
    path = TESTS / file
    pattern = rf"^(?:async )?def {re.escape(name)}\(|^{re.escape(name)} = "
    return path.is_file() and re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_tests(fault: str) -> None:
    assert FAULTS[fault]
    assert [test for test in FAULTS[fault] if not is_there(test)] == []


def test_what_is_said_about_security_is_tested() -> None:
    named = re.findall(r"`tests/([\w/]+\.py::\w+)`", SECURITY.read_text(encoding="utf-8"))
    assert len(named) > 15
    assert [test for test in named if not is_there(test)] == []
