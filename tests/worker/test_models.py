"""Label order by name, heads kept or made new, parameters counted."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pyarrow.parquet
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from nli_console.data.spec import LABELS
from nli_console.methods import registry
from nli_console.worker.models import ModelLoader, count_parameters, label_order, load_config
from tests.worker import tiny
from tests.worker.conftest import Run


def loader(folder: Path) -> ModelLoader:
    return ModelLoader(folder, "tiny", load_config(folder, "tiny"), 1)


@pytest.mark.parametrize(
    ("names", "to_model", "known"),
    [
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], (2, 1, 0), True),
        (["entailment", "neutral", "contradiction"], (0, 1, 2), True),
        (["contradiction", "entailment", "neutral"], (1, 2, 0), True),
        (["LABEL_0", "LABEL_1", "LABEL_2"], (0, 1, 2), False),
        (["LABEL_0", "LABEL_1"], (0, 1, 2), False),
        (["negative", "neutral", "positive"], (0, 1, 2), False),
        (["entailment", "not_entailment"], (0, 1, 2), False),
    ],
)
def test_label_order_is_read_by_name(names: list[str], to_model: tuple[int, ...], known: bool) -> None:
    order = label_order(dict(enumerate(names)))
    assert (order.to_model, order.known) == (to_model, known)
    if known:
        assert [name.lower() for name in names] == order.names


def test_a_fine_tuned_checkpoint_keeps_its_head_and_its_order(tmp_path: Path) -> None:
    folder = tiny.roberta(tmp_path, labels=("CONTRADICTION", "NEUTRAL", "ENTAILMENT"))
    made = loader(folder)
    model = made.classifier(dtype=torch.float32)
    original = AutoModelForSequenceClassification.from_pretrained(folder)
    assert torch.equal(model.classifier.out_proj.weight, original.classifier.out_proj.weight)
    assert model.config.id2label[0] == "CONTRADICTION"
    assert made.notes == []


@pytest.mark.parametrize(
    "labels", [("negative", "neutral", "positive"), ("no", "yes"), ("LABEL_0", "LABEL_1", "LABEL_2")]
)
def test_a_head_with_other_labels_is_made_new_and_said(tmp_path: Path, labels: tuple[str, ...]) -> None:
    folder = tiny.roberta(tmp_path, labels=labels)
    made = loader(folder)
    model = made.classifier(dtype=torch.float32)
    original = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.classifier.out_proj.weight.shape[0] == 3
    assert not torch.equal(model.classifier.dense.weight, original.classifier.dense.weight)
    assert torch.equal(
        model.roberta.embeddings.word_embeddings.weight, original.roberta.embeddings.word_embeddings.weight
    )
    assert "new head" in made.notes[0]


def test_a_pretrained_model_without_a_head_gets_one_in_silence(model_folder: Callable[[str], Path]) -> None:
    made = loader(model_folder("roberta"))
    model = made.classifier(dtype=torch.float32)
    assert model.config.label2id == {"entailment": 0, "neutral": 1, "contradiction": 2}
    assert made.notes == []


@pytest.mark.slow
def test_predictions_and_accuracy_follow_the_checkpoints_own_order(
    submitted: Callable[..., Run], tmp_path: Path
) -> None:
    """Training too: one step at a vanishing rate must start from the loss of the checkpoint's own labels."""
    folder = tiny.roberta(tmp_path / "mnli", labels=("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), dropout=0.0)
    run = submitted(model=folder, max_steps=1, batch_size=90, evaluations=0, learning_rate=1e-12)
    final = run.attempt()
    assert run.records("start")[0]["labels"] == ["contradiction", "neutral", "entailment"]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    table = pyarrow.parquet.read_table(run.layout.predictions / "validation_matched.parquet").to_pylist()
    examples = tiny.rows(24, 2)
    assert [row["id"] for row in table] == [example.id for example in examples]
    assert [row["genre"] for row in table] == [example.genre for example in examples]
    right = 0
    for row, example in zip(table, examples, strict=True):
        with torch.no_grad():
            scores = (
                model(**tokenizer(example.premise, example.hypothesis, return_tensors="pt"))
                .logits[0]
                .log_softmax(-1)
            )
        by_name = {model.config.id2label[i].lower(): float(score) for i, score in enumerate(scores)}
        assert row["predicted"] == max(by_name, key=lambda name: by_name[name])
        assert row["gold"] == LABELS[example.label]
        for label in LABELS:
            assert row[f"score_{label}"] == pytest.approx(by_name[label], abs=1e-5)
        right += row["predicted"] == row["gold"]
    assert final["accuracy"]["validation_matched"]["correct"] == right
    assert (
        AutoModelForSequenceClassification.from_pretrained(run.layout.model).config.id2label[0]
        == "CONTRADICTION"
    )
    gold_scores = [row[f"score_{row['gold']}"] for row in table]
    loss = next(record["loss"] for record in run.records("eval") if record["split"] == "validation_matched")
    assert loss == pytest.approx(-float(numpy.mean(gold_scores)), rel=1e-5)


@pytest.mark.parametrize("architecture", list(tiny.ENCODERS))
@pytest.mark.parametrize(
    ("method", "options"),
    [("full", {}), ("lora", {}), ("lora", {"use_dora": True}), ("lora", {"use_rslora": True, "lora_r": 4})],
    ids=["full", "lora", "dora", "rslora"],
)
def test_every_encoder_builds_and_its_parameters_are_those_counted_before(
    model_folder: Callable[[str], Path], architecture: str, method: str, options: dict[str, object]
) -> None:
    from nli_console.methods.shapes import ModelShapes

    chosen = registry.get(method)
    hyperparameters = chosen.Hyperparameters(**options)
    made = loader(model_folder(architecture))
    shapes = ModelShapes.of(made.classifier(dtype=torch.float32), "tiny")
    counted = chosen.count(shapes, hyperparameters)
    model = chosen.build(made, hyperparameters)
    assert count_parameters(model) == (counted.trainable, counted.total)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["bert", "deberta", "llama"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_other_architectures_train_to_the_end(
    submitted: Callable[..., Run], architecture: str, method: str
) -> None:
    run = submitted(method, model=architecture, max_steps=4, evaluations=1)
    assert run.attempt()["completed"]
