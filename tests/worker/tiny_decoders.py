"""Tiny random language models with chat templates, shaped like Llama (its turns), Qwen (ChatML), Mistral."""

from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as Decoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.worker.tiny import WORDS

_SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Llama 3 and Qwen cut text before they merge."""

LLAMA_CHAT = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN_CHAT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_SPECIAL = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|finetune_right_pad_id|>",
)  # fmt: skip
QWEN_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LABEL_WORDS = ("entailment", "neutral", "contradiction", "Yes", "Maybe", "No")


def _backend(words: list[str], special: tuple[str, ...]) -> Tokenizer:
    """A byte-level BPE that knows ``words`` with and without a space before them, and every other letter."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = Sequence(
        [Split(Regex(_SPLIT), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = BpeTrainer(
        vocab_size=10_000, min_frequency=1, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator([form for word in [*words, "\n\n"] for form in (word, f" {word}")], trainer)
    backend.decoder = Decoder()
    backend.add_special_tokens([AddedToken(token, special=True) for token in special])
    return backend


def llama_tokenizer(whole_words: bool = True, chat_template: str = LLAMA_CHAT) -> PreTrainedTokenizerFast:
    """``whole_words``: whether a label word is one token, or several."""
    words = [*WORDS, *(_LABEL_WORDS if whole_words else ())]
    backend = _backend(words, LLAMA_SPECIAL)
    bos = LLAMA_SPECIAL[0]
    backend.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, backend.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=bos, eos_token="<|eot_id|>",
        pad_token="<|finetune_right_pad_id|>", chat_template=chat_template, model_max_length=4096,
    )  # fmt: skip


def qwen_tokenizer(whole_words: bool = True) -> PreTrainedTokenizerFast:
    words = [*WORDS, *(_LABEL_WORDS if whole_words else ())]
    return PreTrainedTokenizerFast(
        tokenizer_object=_backend(words, QWEN_SPECIAL), eos_token="<|im_end|>", pad_token="<|endoftext|>",
        chat_template=QWEN_CHAT, model_max_length=4096,
    )  # fmt: skip


def _shape(tokenizer: PreTrainedTokenizerFast) -> dict[str, int | None]:
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 48, "max_position_embeddings": 4096,
        "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip


def llama_chat(folder: Path, *, whole_words: bool = True) -> Path:
    tokenizer = llama_tokenizer(whole_words)
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**_shape(tokenizer), initializer_range=0.3)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def qwen_chat(folder: Path, *, whole_words: bool = True) -> Path:
    tokenizer = qwen_tokenizer(whole_words)
    torch.manual_seed(0)
    config = Qwen2Config(**_shape(tokenizer), initializer_range=0.3, tie_word_embeddings=True)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def mistral_chat(folder: Path, *, whole_words: bool = True, sliding_window: int = 48) -> Path:
    """Attention that reaches no further back than ``sliding_window`` tokens."""
    tokenizer = llama_tokenizer(whole_words)
    torch.manual_seed(0)
    config = MistralConfig(**_shape(tokenizer), initializer_range=0.3, sliding_window=sliding_window)
    MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


CHATS = {"llama_chat": llama_chat, "qwen_chat": qwen_chat, "mistral_chat": mistral_chat}
