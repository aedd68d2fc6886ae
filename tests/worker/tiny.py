"""Tiny random models with real tokenizers, and a handful of rows: what the worker's tests train on."""

import random
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DebertaV2Tokenizer,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaTokenizer,
)

from nli_console.data.spec import Example

_TEXT = (
    "the a man woman dog cat child is was not walking running sleeping eating singing in on under park house "
    "street river garden old young red blue happy tall while because then nobody everyone some all"
)
WORDS = _TEXT.split()
_CHARACTERS = [chr(code) for code in range(33, 127)]


def rows(n: int, seed: int = 0) -> list[Example]:
    """Pairs of 4 to 30 words with a label that their words tell: it can be learnt, and lengths differ."""
    source = random.Random(seed)
    examples: list[Example] = []
    for i in range(n):
        label = i % 3
        premise = " ".join(source.choices(WORDS, k=source.randint(3, 24)))
        middle = ("everyone", "some", "nobody")[label]
        hypothesis = " ".join([*source.choices(WORDS, k=source.randint(1, 4)), middle, source.choice(WORDS)])
        examples.append(Example(f"r{i}", premise, hypothesis, label, genre=("fiction", "travel")[i % 2]))
    return examples


def write_multinli(folder: Path, train: int, evaluation: int) -> Path:
    """A folder in the layout of the original corpus: train and both validation files."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    names = ("entailment", "neutral", "contradiction")
    for file, count, seed in (
        ("multinli_1.0_train.jsonl", train, 1),
        ("multinli_1.0_dev_matched.jsonl", evaluation, 2),
        ("multinli_1.0_dev_mismatched.jsonl", evaluation, 3),
    ):
        with (folder / file).open("w", encoding="utf-8") as stream:
            for row in rows(count, seed):
                stream.write(
                    json.dumps(
                        {
                            "pairID": row.id, "promptID": row.id, "genre": row.genre,
                            "sentence1": row.premise,
                            "sentence2": row.hypothesis, "gold_label": names[row.label],
                            "annotator_labels": [names[row.label]],
                        }
                    )
                    + "\n"
                )  # fmt: skip
    return folder


def _byte_level_vocab() -> dict[str, int]:
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    tokens += [f"Ġ{word}" for word in WORDS]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def _merges(vocab: dict[str, int]) -> list[tuple[str, str]]:
    """Merges that build each word of the vocabulary from its letters, left to right."""
    merges: list[tuple[str, str]] = []
    for word in [f"Ġ{word}" for word in WORDS]:
        left = word[0]
        for letter in word[1:]:
            merges.append((left, letter))
            left += letter
            vocab.setdefault(left, len(vocab))
    return list(dict.fromkeys(merges))


def roberta(folder: Path, *, labels: tuple[str, ...] | None = None, dropout: float = 0.1) -> Path:
    """RoBERTa architecture: a masked language model, or with ``labels`` a classifier."""
    vocab = _byte_level_vocab()
    merges = _merges(vocab)
    tokenizer = RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=64)
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=66, type_vocab_size=1, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    if labels is None:
        model = RobertaForMaskedLM(config)
    else:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
        model = RobertaForSequenceClassification(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bert(folder: Path) -> Path:
    """BERT architecture: WordPiece, token types, positions without an offset."""
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *_CHARACTERS,
        *(f"##{c}" for c in _CHARACTERS),
    ]
    tokenizer = BertTokenizer(
        vocab={token: i for i, token in enumerate(dict.fromkeys(tokens))}, model_max_length=64
    )
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def deberta(folder: Path) -> Path:
    """DeBERTa-v3: Unigram tokenizer, relative positions, no token types."""
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "▁", *(f"▁{word}" for word in WORDS), *_CHARACTERS]
    vocab = [(piece, -float(i) / 10) for i, piece in enumerate(dict.fromkeys(pieces))]
    tokenizer = DebertaV2Tokenizer(vocab=vocab, unk_id=3, model_max_length=64)
    config = DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64, type_vocab_size=0, relative_attention=True, position_buckets=16,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, share_att_key=True,
        norm_rel_ebd="layer_norm",
        pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    DebertaV2ForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llama(folder: Path) -> Path:
    """Llama architecture with Llama-3 style special tokens."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing

    vocab = {token: i for i, token in enumerate(list(_byte_level_vocab())[5:])}
    merges = _merges(vocab)
    backend = Tokenizer(BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=True)
    backend.decoder = Decoder()
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|reserved|>"]
    backend.add_special_tokens([AddedToken(token, special=True) for token in special])
    start = backend.token_to_id(special[0])
    backend.post_processor = TemplateProcessing(
        single=f"{special[0]} $A",
        pair=f"{special[0]} $A {special[0]}:1 $B:1",
        special_tokens=[(special[0], start)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=special[0], eos_token=special[2], pad_token=special[3],
        model_max_length=64, additional_special_tokens=[special[1]],
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=48, max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


ENCODERS = {"roberta": roberta, "bert": bert, "deberta": deberta}
EVERY_MODEL = {**ENCODERS, "llama": llama}
