"""The two models shipped with the package: complete, small, and with the tokens the methods rely on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from nli_console.data.demo import demo_model_path

DECODER, ENCODER = demo_model_path("decoder"), demo_model_path("encoder")


@pytest.mark.parametrize("folder", [ENCODER, DECODER], ids=lambda folder: folder.name)
def test_a_model_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names


def test_both_models_together_stay_below_twelve_megabytes():
    files = [path for folder in (ENCODER, DECODER) for path in folder.rglob("*")]
    assert sum(path.stat().st_size for path in files) <= 12_000_000


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="oracle"):
        demo_model_path("oracle")  # pyright: ignore[reportArgumentType]


def test_label_words_are_single_different_tokens_for_the_decoder():
    tokenizer = Tokenizer.from_file(str(DECODER / "tokenizer.json"))
    for words in (
        ("entailment", "neutral", "contradiction"),
        ("yes", "maybe", "no"),
        ("True", "Neither", "False"),
    ):
        for space in ("", " "):
            ids = [tokenizer.encode(space + word, add_special_tokens=False).ids for word in words]
            assert [len(i) for i in ids] == [1, 1, 1]
            assert len({i[0] for i in ids}) == 3


def test_verbalizer_words_are_single_tokens_for_the_encoder():
    tokenizer = Tokenizer.from_file(str(ENCODER / "tokenizer.json"))
    for word in ("Yes", "Maybe", "No"):
        for space in ("", " "):
            assert len(tokenizer.encode(space + word, add_special_tokens=False).ids) == 1


def test_the_encoder_reads_a_pair_as_roberta_does():
    tokenizer = Tokenizer.from_file(str(ENCODER / "tokenizer.json"))
    tokens = tokenizer.encode("The nurse bought a lute.", "Someone bought something.").tokens
    assert tokens[0] == "<s>"
    assert tokens[-1] == "</s>"
    middle = tokens.index("</s>")
    assert tokens[middle : middle + 2] == ["</s>", "</s>"]


@pytest.mark.parametrize("folder", [ENCODER, DECODER], ids=lambda folder: folder.name)
def test_any_text_survives_the_tokenizer(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "Zürich, naïve 42 €; 日本 👋"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_the_decoder_pads_with_a_token_of_its_own_and_stops_at_the_end_of_a_turn():
    settings = json.loads((DECODER / "tokenizer_config.json").read_text())
    generation = json.loads((DECODER / "generation_config.json").read_text())
    tokenizer = Tokenizer.from_file(str(DECODER / "tokenizer.json"))
    assert settings["eos_token"] == "<|eot_id|>"
    assert settings["pad_token"] not in (settings["eos_token"], settings["bos_token"], "<|end_of_text|>")
    assert settings["pad_token"] not in (DECODER / "chat_template.jinja").read_text()
    assert tokenizer.token_to_id("<|eot_id|>") in generation["eos_token_id"]
    assert generation["pad_token_id"] == tokenizer.token_to_id(settings["pad_token"])


def test_the_encoder_has_room_for_virtual_tokens_before_the_longest_pair():
    config = json.loads((ENCODER / "config.json").read_text())
    assert config["max_position_embeddings"] - config["pad_token_id"] - 1 >= 128 + 60


def test_naming_the_demo_loads_no_heavy_library():
    code = (
        "import sys, nli_console.data.demo;"
        "print([m for m in ('torch', 'transformers', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
