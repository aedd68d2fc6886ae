"""Head, top layers, P-tuning and prefix tuning: exact counts, what is trained, refused or warned of."""

from dataclasses import replace

import pytest

from nli_console.errors import ConsoleError
from nli_console.methods import fields, presets, registry, shapes
from nli_console.methods.checks import ModelFacts
from nli_console.methods.shapes import ModelShapes
from tests.methods.checks.recipes import context, found
from tests.methods.test_counts import CONFIGS, counted

HEAD = 1_052_675
ROBERTA = shapes._shipped("roberta-large", "classifier")
assert ROBERTA is not None


def made(method, **values):
    return fields.require(registry.get(method).Hyperparameters, values)


@pytest.mark.parametrize(
    ("method", "values", "added", "trainable"),
    [
        ("head", {}, 0, HEAD),
        ("top_layers", {"num_layers": 4}, 0, 51_437_571),
        ("top_layers", {"num_layers": 12}, 0, 152_207_363),
        ("top_layers", {"num_layers": 24}, 0, 355_362_819 - 52_000_768),
        ("p_tuning", {"num_virtual_tokens": 30, "encoder_hidden_size": 256}, 622_080, 1_674_755),
        ("p_tuning", {"num_virtual_tokens": 30, "encoder_hidden_size": 512}, 1_343_488, 2_396_163),
        ("prefix_tuning", {"num_virtual_tokens": 20}, 20 * 24 * 2 * 1024, 983_040 + HEAD),
    ],
)
def test_counts_on_roberta_large(method, values, added, trainable):
    counts = registry.get(method).count(ROBERTA, made(method, **values))
    assert (counts.trainable, counts.total) == (trainable, 355_362_819 + added)


def test_the_papers_p_tuning_has_the_reports_count():
    values = made("p_tuning", **presets.load("paper", "p_tuning").hyperparameters)
    assert values.pool == "virtual"
    assert registry.get("p_tuning").count(ROBERTA, values).trainable == 1_674_755


VARIANTS = [
    ("head", {}),
    ("top_layers", {"num_layers": 1}),
    ("top_layers", {"num_layers": 2}),
    ("p_tuning", {"num_virtual_tokens": 3}),
    (
        "p_tuning",
        {"encoder_reparameterization_type": "lstm", "encoder_num_layers": 3, "encoder_hidden_size": 5},
    ),
    ("prefix_tuning", {"num_virtual_tokens": 3}),
    ("prefix_tuning", {"num_virtual_tokens": 3, "prefix_projection": True, "encoder_hidden_size": 7}),
]


@pytest.fixture(scope="module", params=list(CONFIGS))
def loader(request):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(
        request.param, vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, num_labels=3, **CONFIGS[request.param],
    )  # fmt: skip

    class Loader:
        model_name = f"tiny-{request.param}"

        def classifier(self, **options):
            return AutoModelForSequenceClassification.from_config(config, **options)

    return Loader()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "values"), VARIANTS, ids=str)
def test_the_arithmetic_agrees_with_the_model_that_is_built(loader, method, values):
    chosen, hyperparameters = registry.get(method), made(method, **values)
    base = ModelShapes.of(loader.classifier(), loader.model_name)
    if method == "prefix_tuning" and "deberta" in loader.model_name:
        with pytest.raises(
            ConsoleError, match=r"tiny-deberta-v2 is a Deberta.*take no prefix; use a RoBERTa"
        ):
            chosen.build(loader, hyperparameters)
        with pytest.raises(ConsoleError, match="take no prefix"):
            chosen.count(base, hyperparameters)
        return
    counts = chosen.count(base, hyperparameters)
    model = chosen.build(loader, hyperparameters)
    trainable, everything = counted(model)
    copies = sum(p.numel() for name, p in model.named_parameters() if ".original_module." in name)
    assert (counts.trainable, counts.total) == (trainable, everything - copies)
    plan = chosen.plan(base, hyperparameters)
    own = sum(module.size for module in base.modules if module.name in plan.trained)
    assert own + plan.added == trainable
    assert plan.copied == copies


@pytest.mark.slow
def test_top_layers_leaves_embeddings_and_lower_blocks_alone(loader):
    model = registry.get("top_layers").build(loader, made("top_layers", num_layers=1))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert not any("embeddings" in name or "layer.0." in name for name in trained)
    frozen = {name for name, _ in model.named_parameters()} - trained
    assert not any("layer.1." in name or name.startswith("classifier") for name in frozen)


def test_more_layers_than_there_are_blocks_are_refused():
    with pytest.raises(ConsoleError, match="--num-layers 30: roberta-large has 24 blocks; use at most 24"):
        registry.get("top_layers").count(ROBERTA, made("top_layers", num_layers=30))


@pytest.mark.parametrize("method", ["head", "prefix_tuning"])
def test_gradient_checkpointing_is_refused_where_it_cannot_work(method):
    _, errors = fields.validate(registry.get(method).Hyperparameters, {"gradient_checkpointing": True})
    assert ["gradient-checkpointing" in str(error) for error in errors] == [True]


@pytest.mark.parametrize("method", ["p_tuning", "prefix_tuning"])
def test_a_rate_that_never_learns_and_too_many_positions_are_warned_of(method):
    recipe = context(method, learning_rate=3e-5, num_virtual_tokens=30, max_length=512)
    assert "below" in found(recipe, "learning_rate")[0].message
    assert "cut at 482 tokens" in found(recipe, "positions")[0].message
    sound = context(method, num_virtual_tokens=30, max_length=482)
    assert not found(sound, "learning_rate")
    assert not found(sound, "positions")
    short = replace(
        context(method, num_virtual_tokens=100), model=ModelFacts("short", positions=120), tokenizer=None
    )
    assert found(short, "virtual_tokens")[0].blocks


@pytest.mark.parametrize("method", ["head", "top_layers", "p_tuning", "prefix_tuning"])
def test_recommended_and_demo_presets_are_sound(method):
    for family in ("recommended", "demo"):
        preset = presets.load(family, method)
        recipe = context(method, **made(method, **preset.hyperparameters).model_dump())
        model = replace(recipe, shapes=None) if family == "demo" else recipe
        assert not found(model, "learning_rate")
        assert not found(model, "positions")
