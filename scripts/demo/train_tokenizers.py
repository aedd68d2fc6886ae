"""Train the two demo tokenizers on pre-training text and save them beside the models.

The encoder's is RoBERTa's (byte-level BPE, ``<s> premise </s></s> hypothesis </s>``), the decoder's is
Llama-3-style (byte-level BPE, header and end-of-turn tokens, chat template). Words held out of pre-training
are not in the training text, so they come out in pieces.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

from common import CONNECTIVES, MODELS, pretraining_triples
from decoder_text import ANSWER_SETS, ARBITRARY_WORDS, PROMPTS, REPLIES
from tokenizers import (
    ByteLevelBPETokenizer,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast, RobertaTokenizer

ENCODER_VOCABULARY = 1792
DECODER_VOCABULARY = 2048
ENCODER_MAX_LENGTH = 256
DECODER_MAX_LENGTH = 2048

BOS, EOS, EOT, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>"
DECODER_SPECIAL = [BOS, EOS, PAD, "<|start_header_id|>", "<|end_header_id|>", EOT]

LLAMA_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if loop.first -%}{{- bos_token -}}{%- endif -%}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}"
    "{{- message['content'] | trim + '<|eot_id|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}"
    "{%- endif -%}"
)


def sentences(triples: int) -> list[str]:
    return [
        text
        for triple in islice(pretraining_triples(seed=0, strict=True, framed=0.4), triples)
        for text in (triple[0].premise, *(pair.hypothesis for pair in triple))
    ]


def train_encoder_tokenizer(out: Path) -> None:
    words = [word for group in CONNECTIVES.values() for word in group]
    text = (
        sentences(8000) + [f"{word}, the" for word in words] * 500 + [f" {word}, the" for word in words] * 500
    )
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        text,
        vocab_size=ENCODER_VOCABULARY,
        min_frequency=2,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        show_progress=False,
    )
    folder = out / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        vocabulary, merges = bpe.save_model(scratch)
        tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=ENCODER_MAX_LENGTH)
    tokenizer.save_pretrained(folder)
    for word in words:
        for form in (word, f" {word}"):
            if len(tokenizer.tokenize(form)) != 1:
                raise SystemExit(f"encoder tokenizer: {form!r} is split into {tokenizer.tokenize(form)}")


def train_decoder_tokenizer(out: Path) -> None:
    single = [word for group in ANSWER_SETS for words in group for word in words]
    single += [*ARBITRARY_WORDS, *(word for group in REPLIES.values() for word in group)]
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    text = sentences(8000) + [form for word in single for form in (word, f" {word}")] * 400
    text += [prompt.replace("{", "").replace("}", "") for prompt in PROMPTS] * 100
    text += [
        "system",
        "user",
        "assistant",
        "\n\n",
        "You are a helpful assistant.",
        " Hello! How are you?",
    ] * 200
    tokenizer.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=DECODER_VOCABULARY,
            min_frequency=2,
            special_tokens=DECODER_SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1", special_tokens=[(BOS, bos)]
            ),
        ]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOT,
        pad_token=PAD,
        model_max_length=DECODER_MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(out / "decoder")
    for word in single:
        for form in (word, f" {word}"):
            if len(fast.tokenize(form)) != 1:
                raise SystemExit(f"decoder tokenizer: {form!r} is split into {fast.tokenize(form)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for encoder/ and decoder/")
    folder = parser.parse_args().out
    train_encoder_tokenizer(folder)
    train_decoder_tokenizer(folder)
