"""Real MultiNLI rows, where they stand beside the repository."""

from collections import Counter
from pathlib import Path

import pytest

from nli_console.data.check import check
from nli_console.data.read import read_split
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS
from tests.data.corpora import settings

ROWS = Path(__file__).parents[3] / "shared/data/multinli_matched_part.tsv"


@pytest.mark.skipif(not ROWS.exists(), reason="the real rows are not here")
def test_five_thousand_rows_of_the_matched_set(tmp_path: Path) -> None:
    loaded = settings(
        tmp_path,
        f"""[datasets.part]
        path = "{ROWS}"
        columns = {{ premise = "premise", hypothesis = "hypothesis", label = "gold_label", id = "index" }}
        splits = {{ validation_matched = "{ROWS.name}" }}""",
    )
    spec = resolve_dataset("part", loaded)
    assert check(spec, train=False).splits["validation_matched"].bytes == ROWS.stat().st_size
    split = read_split(spec, "validation_matched")
    assert len(split.examples) == 5000
    assert split.dropped == 0
    assert Counter(LABELS[example.label] for example in split.examples) == {
        "entailment": 1766,
        "neutral": 1621,
        "contradiction": 1613,
    }
    quoted = next(example for example in split.examples if example.id == "1139")
    assert quoted.premise == "But it's for us to get busy and do something.\""
