"""The filter of the history: what passes, what is refused and where, and what may come next."""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nli_console.record.history_fields import FIELDS, Vocabulary
from nli_console.record.query import QueryError, parse, readable
from nli_console.record.query_completion import complete
from nli_console.record.state import Reason, RunState, State
from nli_console.record.summary import Accuracy, RunSummary
from nli_console.text import clean_line

NOW = time.time()
GIB = 1024**3
LORA = RunSummary(
    id="20261101-120000-lora-roberta-large-00aa",
    path=Path("/runs/a"),
    state=RunState(State.FINISHED),
    name="lora, r 8",
    method="lora",
    model="roberta-large",
    data="multinli",
    preset="recommended/lora",
    seed=2,
    started=NOW - 86_400,
    seconds=3_700.0,
    loss=0.3512,
    trainable_parameters=3_805_187,
    peak_memory_bytes=5 * GIB,
    accuracy={
        "validation_matched": Accuracy(0.8641, 0.857, 0.871, 9815),
        "test_r1": Accuracy(0.4, 0.37, 0.43, 1000),
    },
    hyperparameters={
        "learning_rate": 3e-4,
        "lora_r": 8,
        "use_dora": False,
        "target_modules": ["query", "value"],
        "warmup_ratio": None,
        "schedule": "linear",
    },
    tags=("paper", "best one"),
    notes="with a warm start",
)
SCORED = RunSummary(
    id="20261102-120000-evaluate-lora-00bb",
    path=Path("/runs/b"),
    state=RunState(State.FAILED, Reason("cuda_oom", "2 GiB asked")),
    name="evaluate lora",
    method="evaluate",
    evaluates=LORA.id,
    evaluated_method="lora",
    model="roberta-large",
    pinned=True,
)
QLORA = RunSummary("20261103-x", Path("/runs/c"), RunState(State.RUNNING), method="qlora_sft", name="sft")
RUNS = (LORA, SCORED, QLORA)
KNOWN = Vocabulary(RUNS)


def passing(text: str) -> list[RunSummary]:
    query = parse(text, KNOWN)
    return [run for run in RUNS if query.matches(run)]


@pytest.mark.parametrize(
    "text",
    [
        "method:lora accuracy>0.85 started:7d tag:paper -state:failed",
        "accuracy=86.4%",
        "acc=0.864",
        "accuracy:80%..90%",
        "accuracy:86%..",
        "test_r1<0.5",
        "lr>=1e-4 learning-rate<=3e-4",
        "lr=0.0003",
        "lora_r:8",
        "use_dora=no",
        "target_modules=value",
        "warmup_ratio=none",
        "schedule:lin",
        'name="lora, r 8"',
        'name:"r 8"',
        '"LORA, R 8"',
        'tag="best one"',
        "tag:best",
        "note:warm",
        "time>1h time<1h2m",
        "memory<6GiB memory>=5g",
        "trainable=3.8M",
        "seed:1,2",
        "seed!=3 loss<0.36",
        "is:tagged is:noted",
        "started:today..2999",
        f"started>={datetime.fromtimestamp(NOW - 86_400):%Y-%m-%d}",
        "preset:recommended data=MultiNLI",
        "!pinned !sft",
    ],
)
def test_terms_find_the_run_that_they_describe(text: str) -> None:
    if text.startswith("started:today"):
        text = text.replace("today", f"{datetime.now() - timedelta(days=2):%Y-%m-%d}")
    assert passing(text) == [LORA]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RUNS),
        ("-", RUNS),
        ("method:lora", (LORA, SCORED)),
        ("method=qlora_sft", (QLORA,)),
        ("state:failed,run", (SCORED, QLORA)),
        ("state=run", ()),
        ("pinned", (SCORED,)),
        ('"pinned"', ()),
        ("is:evaluation", (SCORED,)),
        ("is:live", (QLORA,)),
        ("tag!=paper", (SCORED, QLORA)),
        ("-tag=paper", (SCORED, QLORA)),
        ("accuracy<1", (LORA,)),
        ("-accuracy<1", (SCORED, QLORA)),
        ("reason:memory", (SCORED,)),
        ("started>7d", ()),
        ("started<2d", (LORA,)),
        ("lora_dropout=0", ()),
        ('tag=""', (SCORED, QLORA)),
    ],
)
def test_what_passes(text: str, expected: tuple[RunSummary, ...]) -> None:
    assert passing(text) == list(expected)


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("accuracy>0.8 metod:lora", "metod", 'did you mean "method"?'),
        ("accuracy>85", "85", "so 85%?"),
        ("state:finnished", "finnished", 'did you mean "finished"?'),
        ("pinned name>3", ">", "has no order; it takes :, = or !="),
        ("started>2026-13-01", "2026-13-01", "there is no date"),
        ("lr>fast", "fast", "expects a number"),
        ("accuracy>0.1,0.2", "0.2", "takes one value"),
        ("is:fine", "fine", "pinned, live"),
        ("time<soon", "soon", "45m"),
    ],
)
def test_an_error_points_at_the_characters_that_are_wrong(text: str, marked: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, KNOWN)
    assert text[caught.value.start : caught.value.end] == marked
    assert said in str(caught.value)
    assert not caught.value.incomplete


@pytest.mark.parametrize("text", ["accuracy>", "memory<10", 'name:"two wor', "tag:", "-is:", "accuracy:.."])
def test_what_is_only_half_typed_is_no_mistake(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, KNOWN)
    assert caught.value.incomplete


@pytest.mark.parametrize(
    ("text", "left"),
    [("accuracy>85% metod:lora pinned", "accuracy>85%  pinned"), ("tag:", ""), ('lora name:"two', "lora")],
)
def test_a_slip_in_one_term_leaves_the_others_in_force(text: str, left: str) -> None:
    assert readable(text, KNOWN) == left


def test_a_date_is_the_whole_day() -> None:
    noon = datetime(2026, 11, 1, 12).timestamp()
    run = replace(LORA, started=noon)
    held = {sign: parse(f"started{sign}2026-11-01").matches(run) for sign in (":", ">", ">=", "<", "<=")}
    assert held == {":": True, ">": False, ">=": True, "<": False, "<=": True}
    assert parse("started:2026").matches(run)
    assert parse("started:2026-11").matches(run)
    assert not parse("started:2026-12").matches(run)
    assert parse("started>2026-10-31").matches(run)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", "method:"),
        ("acc", "accuracy>"),
        ("-st", "state:"),
        ("learn", "learning_rate="),
        ("lr", "lr="),
        ("method:q", "qlora_sft"),
        ("tag:be", '"best one"'),
        ("model:large", "roberta-large"),
        ("is:ev", "evaluation"),
        ("started:", "7d"),
        ("pinn", "pinned"),
    ],
)
def test_completion_offers_fields_and_the_values_of_the_history(text: str, offered: str) -> None:
    assert offered in [option.text for option in complete(text, len(text), KNOWN).options]


def test_a_completion_takes_the_place_of_its_term_alone() -> None:
    text = "tag:be lora"
    completion = complete(text, 6, KNOWN)
    assert completion.applied(text, completion.options[0]) == ('tag:"best one" lora', 14)
    assert complete("acc", 3, KNOWN).applied("acc", complete("acc", 3, KNOWN).options[0])[0] == "accuracy>"


SIGNS = st.sampled_from([":", "=", "!=", ">", ">=", "<", "<=", ""])
NAMES = st.sampled_from([*(field.name for field in FIELDS), "lr", "lora_r", "is", "nothing", ""])
VALUES = st.text(alphabet='ab0189.,:%"-<>=\\ GiBkdlora', max_size=12)
TERMS = st.builds(lambda dash, name, sign, value: dash + name + sign + value, st.sampled_from(["", "-", "!"]),
                  NAMES, SIGNS, VALUES)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(TERMS, max_size=4).map(" ".join))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_any_text_is_read_or_refused_within_itself(text: str) -> None:
    refused = None
    try:
        query = parse(text, KNOWN)
        assert all(query.matches(run) in (True, False) for run in RUNS)
    except QueryError as error:
        refused = error
    assert refused is None or (0 <= refused.start <= len(text) and refused.start < refused.end)


@settings(max_examples=150, deadline=None)
@given(TERMS)
def test_a_minus_turns_a_term_round(term: str) -> None:
    plain = term.lstrip("-!")
    if any(each.isspace() for each in plain) or not plain:
        return
    try:
        there, away = parse(plain, KNOWN), parse(f"-{plain}", KNOWN)
    except QueryError:
        return
    if there:
        assert [not away.matches(run) for run in RUNS] == [there.matches(run) for run in RUNS]


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(0, 40))
def test_what_is_offered_can_be_taken(text: str, cursor: int) -> None:
    cursor = min(cursor, len(text))
    completion = complete(text, cursor, KNOWN)
    assert 0 <= completion.start <= completion.end <= len(text)
    for option in completion.options:
        changed, place = completion.applied(text, option)
        assert option.text in changed
        assert 0 <= place <= len(changed)


@given(st.text(min_size=1, max_size=10))
@settings(max_examples=100, deadline=None)
def test_a_quoted_value_is_found_whatever_it_holds(name: str) -> None:
    name = clean_line(name)
    if not name:
        return
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    run: Any = replace(LORA, name=name)
    assert parse(f'name="{escaped}"').matches(run)


def test_a_history_offers_its_own_hyperparameters_and_splits() -> None:
    names = [field.name for field in KNOWN.fields]
    assert "lora_r" in names
    assert "test_r1" in names
    assert Vocabulary().find("lora_r") is not None
    assert Vocabulary().find("no_such_thing") is None
