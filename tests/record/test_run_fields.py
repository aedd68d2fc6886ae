"""What a run is asked for beside its hyperparameters, as a person writes it."""

from typing import get_args

import pytest

from nli_console.methods.fields import FieldError, parse
from nli_console.record.run_fields import BY_NAME, GUARDS
from nli_console.record.trackers import TRACKERS
from nli_console.settings import GuardId, TrackerName
from nli_console.text import parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("45m", 2700), ("90min", 5400), ("2h", 7200), ("2 h 30 m", 9000),
        ("1d", 86400), ("1.5h", 5400), ("0.5", 0.5),
    ],
)  # fmt: skip
def test_durations_are_read_and_written_back(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(write_duration(seconds)) == seconds


def test_durations_are_written_with_their_units() -> None:
    assert [write_duration(seconds) for seconds in (90, 5400, 93784, 0.25)] == [
        "1m30s",
        "1h30m",
        "1d2h3m4s",
        "0.25s",
    ]


@pytest.mark.parametrize("text", ["0", "-5", "abc", "5x", "m", "nan", "1:30", "²", "9" * 400])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(FieldError, match=f"--time-limit {text}: expected a time above zero, such as 90"):
        parse(BY_NAME["time_limit"], text)


def test_no_time_limit_is_nothing_or_none() -> None:
    assert [parse(BY_NAME["time_limit"], text) for text in ("", " none ")] == [None, None]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_what_is_written_reads_back(name: str) -> None:
    field = BY_NAME[name]
    values = {
        "fraction": 0.25, "seeds": (1, 7), "time_limit": 5400.0, "report_to": ("wandb", "mlflow"),
        "stop_on": ("nan_steps",), "evaluate_on": ("validation_matched", "test"), "evaluation_rows": 200,
    }  # fmt: skip
    value = values.get(name, "a b")
    assert parse(field, field.format(value)) == value
    assert parse(field, field.format(field.default)) == field.default


def test_lists_offer_what_the_settings_know() -> None:
    assert set(GUARDS) == set(get_args(GuardId))
    assert set(TRACKERS) == set(get_args(TrackerName))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("report_to", "wandbb", '--report-to wandbb: no tracker is called "wandbb"; did you mean "wandb"?'),
        (
            "stop_on",
            "nan_step",
            '--stop-on nan_step: no guard is called "nan_step"; did you mean "nan_steps"?',
        ),
        ("stop_on", "none,nan_steps", "--stop-on none,nan_steps: none excludes the others"),
    ],
)
def test_a_name_that_nobody_knows_is_told_with_the_closest(name: str, text: str, message: str) -> None:
    with pytest.raises(FieldError) as told:
        parse(BY_NAME[name], text)
    assert message in str(told.value)
