"""Parameter counts are exact: the published figures, and PEFT's own counting on small random models."""

import json
import os
import subprocess

import pytest

from nli_console.errors import ConsoleError
from nli_console.methods import fields, presets, registry, shapes
from nli_console.methods.shapes import ModelShapes

LORA = registry.get("lora")
FULL = registry.get("full")


def lora(**values):
    return fields.require(LORA.Hyperparameters, values)


@pytest.fixture(scope="module")
def roberta_large(tmp_path_factory):
    return shapes.load("roberta-large", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return shapes.load("meta-llama/Meta-Llama-3-8B-Instruct", tmp_path_factory.mktemp("cache"), "causal")


def test_roberta_large_in_full(roberta_large):
    counts = FULL.count(roberta_large, FULL.Hyperparameters())
    assert (counts.trainable, counts.total) == (355_362_819, 355_362_819)


def test_the_papers_lora_on_roberta_large(roberta_large):
    values = fields.require(LORA.Hyperparameters, presets.load("paper", "lora").hyperparameters)
    counts = LORA.count(roberta_large, values)
    assert counts.trainable == 3_805_187
    assert counts.total == 355_362_819 + 24 * 114_688


def test_llama_3_8b_is_shipped_for_both_tasks(tmp_path, llama):
    classifier = shapes.load("meta-llama/Meta-Llama-3-8B-Instruct", tmp_path)
    assert llama.total == 8_030_261_248
    assert classifier.total == 7_504_924_672 + 3 * 4096
    assert classifier.head == ("score",)
    assert LORA.count(classifier, lora(lora_r=16)).trainable == 41_943_040 + 3 * 4096


@pytest.mark.parametrize(
    ("name", "trainable", "base"),
    [
        ("qlora_sft", 41_943_040, 8_030_261_248),
        ("qlora_classifier", 41_955_328, 7_504_924_672 + 12_288),
    ],
)
@pytest.mark.parametrize("family", ["paper", "recommended"])
def test_the_presets_of_qlora_on_llama_3_8b(tmp_path, name, trainable, base, family):
    method = registry.get(name)
    preset = presets.load(family, name)
    values = fields.require(method.Hyperparameters, preset.hyperparameters)
    counts = method.count(shapes.load(preset.model, tmp_path, method.task), values)
    assert counts.trainable == trainable
    assert counts.total == base + 41_943_040


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("values", 'lora.target_modules: "values" matches no module of roberta-large; did you mean "value"?'),
        (
            "q_proj",
            'lora.target_modules: "q_proj" matches no module of roberta-large; '
            "its linear layers are called query, key, value, dense or all-linear",
        ),
        (
            "out_proj",
            'lora.target_modules: "out_proj" stands only in the classification head of roberta-large, '
            "which is trained in full anyway; leave it out",
        ),
        (
            "word_embeddings",
            'lora.target_modules: "word_embeddings" of roberta-large is of class Embedding, not linear; '
            "its linear layers are called query, key, value, dense or all-linear",
        ),
    ],
)
def test_a_name_without_a_linear_layer_is_refused(roberta_large, targets, message):
    with pytest.raises(ConsoleError) as raised:
        LORA.count(roberta_large, lora(target_modules=targets))
    assert str(raised.value) == message


def test_a_longer_name_narrows_the_match(roberta_large):
    wide = LORA.count(roberta_large, lora(target_modules="dense")).trainable
    narrow = LORA.count(roberta_large, lora(target_modules="attention.output.dense")).trainable
    assert narrow == 1_052_675 + 24 * 8 * 2048 < wide


CONFIGS = {
    "roberta": {"max_position_embeddings": 34, "type_vocab_size": 1},
    "bert": {"max_position_embeddings": 34},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "pooler_hidden_size": 16,
        "type_vocab_size": 0,
    },
}


@pytest.fixture(scope="module", params=list(CONFIGS))
def loader(request):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(
        request.param,
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        num_labels=3,
        **CONFIGS[request.param],
    )

    class Loader:
        model_name = f"tiny-{request.param}"

        def classifier(self, **options):
            return AutoModelForSequenceClassification.from_config(config, **options)

    return Loader()


def counted(model):
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return trainable, sum(parameter.numel() for parameter in model.parameters())


VARIANTS = [
    {},
    {"use_dora": True},
    {"use_rslora": True, "lora_r": 3},
    {"target_modules": "dense"},
    {"target_modules": "dense", "use_dora": True},
]


@pytest.mark.slow
@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_the_arithmetic_agrees_with_the_model_that_is_built(loader, values):
    hyperparameters = lora(**values)
    base = ModelShapes.of(loader.classifier(), loader.model_name)
    counts = LORA.count(base, hyperparameters)
    trainable, everything = counted(LORA.build(loader, hyperparameters))
    assert counts.trainable == trainable
    # PEFT keeps the untrained head beside its trained copy.
    assert counts.total == everything - base.head_size


@pytest.mark.slow
def test_all_of_the_head_is_trained_and_lora_never_stands_in_it(loader):
    model = LORA.build(loader, lora(target_modules="all-linear"))
    base = ModelShapes.of(loader.classifier(), loader.model_name)
    learnt = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    in_head = {name for name in learnt if "modules_to_save" in name}
    assert (
        sum(parameter.numel() for name, parameter in model.named_parameters() if name in in_head)
        == base.head_size
    )
    assert not any("lora_" in name for name in in_head)
    assert learnt - in_head == {name for name in learnt if "lora_" in name}


@pytest.mark.slow
def test_full_fine_tuning_keeps_fp32_weights_and_trains_them_all(loader):
    import torch

    model = FULL.build(loader, FULL.Hyperparameters())
    counts = FULL.count(ModelShapes.of(model, "tiny"), FULL.Hyperparameters())
    assert counted(model) == (counts.trainable, counts.total)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.slow
def test_build_refuses_a_name_that_matches_nothing(loader):
    with pytest.raises(
        ConsoleError, match=f'"values" matches no module of {loader.model_name}; did you mean "value'
    ):
        LORA.build(loader, lora(target_modules="values"))


@pytest.mark.slow
def test_shapes_survive_json(loader):
    first = ModelShapes.of(loader.classifier(), "tiny")
    again = ModelShapes.from_json(json.loads(json.dumps(first.to_json())), "tiny")
    assert sorted(again.modules, key=lambda module: module.name) == sorted(
        first.modules, key=lambda module: module.name
    )
    assert (again.total, again.head, again.config) == (first.total, first.head, first.config)


def write_config(folder, **changes):
    values = {
        "model_type": "roberta",
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 34,
        "type_vocab_size": 1,
    } | changes
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    return str(folder)


def test_a_folder_with_a_known_architecture_needs_no_computation(tmp_path):
    folder = write_config(
        tmp_path / "copy",
        vocab_size=50265,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=514,
    )
    found = shapes.load(folder, tmp_path / "cache")
    assert found is not None
    assert (found.total, found.name) == (355_362_819, "copy")


@pytest.mark.parametrize("content", [None, "{", "[]", "\xff"])
def test_no_shapes_without_a_usable_config(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    assert shapes.load(str(tmp_path), tmp_path / "cache") is None
    assert shapes.load("nobody/has-this", tmp_path / "cache") is None


def compute(model, cache):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        shapes.compute_command(model, cache),
        cwd=shapes.COMMAND_FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_worker_fills_the_cache_by_content(tmp_path):
    folder = write_config(tmp_path / "model")
    assert shapes.load(folder, tmp_path / "cache") is None
    done = compute(folder, tmp_path / "cache")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = shapes.load(folder, tmp_path / "cache")
    assert found is not None
    assert found.head == ("classifier",)
    moved = write_config(tmp_path / "moved")
    assert shapes.load(moved, tmp_path / "cache").total == found.total
    changed = write_config(tmp_path / "model", num_hidden_layers=3)
    assert shapes.load(changed, tmp_path / "cache") is None


@pytest.mark.slow
def test_the_worker_says_in_a_sentence_why_not(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    done = compute(str(folder), tmp_path / "cache")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
