"""Pre-train the demo decoder as a language model on plain text and chats about pairs of the generator.

The next-word loss covers everything except answers that cannot be known yet; answers that can be known have a
loss of their own beside it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from alignment import KINDS, Alignment
from common import MODELS, learning_rate, pad, pretraining_triples, save_half
from decoder_text import ANSWER, EOS, UNKNOWABLE, draw_document
from embeddings import cooccurrence_embeddings
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

CHUNK_TRIPLES = 5_000
MOST_PAIRS_IN_A_DOCUMENT = 8

Encoded = tuple[list[int], list[int]]
"""Token ids, and what kind of stretch each stands in."""


def documents(tokenizer, seed: int, plain: float, strict: bool) -> Iterator[list[Encoded]]:
    """Endless chunks of fresh tokenised documents."""
    triples, rng = pretraining_triples(seed, strict=strict), random.Random(f"decoder-{seed}")
    while True:
        pairs = [pair for triple in islice(triples, CHUNK_TRIPLES) for pair in triple]
        rng.shuffle(pairs)
        drawn = []
        while len(pairs) >= MOST_PAIRS_IN_A_DOCUMENT:
            drawn.append(draw_document(pairs, rng, plain))
        ids = iter(tokenizer([text for d in drawn for text, _ in d], add_special_tokens=False)["input_ids"])
        chunk = []
        for document in drawn:
            encoded: Encoded = ([], [])
            for _, kind in document:
                piece = next(ids)
                encoded[0].extend(piece)
                encoded[1].extend([kind] * len(piece))
            chunk.append(encoded)
        yield chunk


def batches(chunk: list[Encoded], tokens: int, rng: random.Random) -> list[list[Encoded]]:
    """Batches of at most `tokens` tokens with padding, of similar length, in random order."""
    found: list[list[Encoded]] = []
    rng.shuffle(chunk)
    for start in range(0, len(chunk), 1500):
        batch: list[Encoded] = []
        for document in sorted(chunk[start : start + 1500], key=lambda d: len(d[0])):
            if batch and (len(batch) + 1) * len(document[0]) > tokens:
                found.append(batch)
                batch = []
            batch.append(document)
        found.append(batch)
    rng.shuffle(found)
    return found


@torch.no_grad()
def attend_to_equals(model: LlamaForCausalLM) -> None:
    """Start half of the heads of the lower layers with keys equal to queries: equal words find each other.

    After Trockman & Kolter 2023, "Mimetic initialization of self-attention layers".
    """
    size = model.config.head_dim
    for layer in model.model.layers[: model.config.num_hidden_layers // 2]:
        key = layer.self_attn.k_proj.weight[:size]
        key *= 1.5
        for head in range(model.config.num_attention_heads // 2):
            layer.self_attn.q_proj.weight[head * size : (head + 1) * size] = key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--cooldown", type=int, default=1000, help="last steps with a falling learning rate")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens in a batch")
    parser.add_argument("--plain", type=float, default=0.35, help="share of plain text among the documents")
    parser.add_argument("--strict", action="store_true", help="hold places and verbs out as well")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, default=Path("/tmp/demo-decoder.pt"))
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from")
    parser.add_argument("--out", type=Path, default=MODELS / "decoder")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "decoder")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=384,
        max_position_embeddings=tokenizer.model_max_length,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        initializer_range=0.06,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    attend_to_equals(model)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.convert_tokens_to_ids(EOS), tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
    )
    alignment, alignment_head = Alignment(tokenizer), torch.nn.Linear(config.hidden_size, KINDS)
    parameters = [*model.parameters(), *alignment_head.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=args.learning_rate, weight_decay=0.05, betas=(0.9, 0.98), fused=True
    )
    step = 0
    model.model.embed_tokens.weight.data.copy_(
        cooccurrence_embeddings(tokenizer, config.hidden_size, config.initializer_range)
    )
    if args.resume:
        state = torch.load(args.resume)
        model.load_state_dict(state["model"])
        alignment_head.load_state_dict(state["alignment_head"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    rng = random.Random(args.seed + step)
    model.train()
    started, log, tokens = time.time(), [], 0
    for chunk in documents(tokenizer, args.seed + step, args.plain, args.strict):
        for batch in batches(chunk, args.tokens, rng):
            ids = pad([ids for ids, _ in batch], config.pad_token_id)
            kinds = pad([kinds for _, kinds in batch], UNKNOWABLE)[:, 1:]
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * learning_rate(step, args.steps, args.cooldown)
            outputs = model.model(
                input_ids=ids,
                attention_mask=(ids != config.pad_token_id).long(),
                output_hidden_states=True,
            )
            wanted = kinds != UNKNOWABLE
            logits = model.lm_head(outputs.last_hidden_state[:, :-1][wanted])
            target, is_answer = ids[:, 1:][wanted], kinds[wanted] == ANSWER
            losses = cross_entropy(logits, target, reduction="none")
            text, answer = losses[~is_answer].mean(), losses[is_answer].mean()
            align_kinds, is_word = alignment(ids, causal=True)
            middle = outputs.hidden_states[config.num_hidden_layers // 2]
            aligned = cross_entropy(alignment_head(middle[is_word]), align_kinds[is_word])
            loss = text + 2.0 * answer + aligned
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            tokens += ids.numel()
            right = (logits[is_answer].argmax(-1) == target[is_answer]).float().mean()
            log.append([text.item(), answer.item(), right.item(), aligned.item()])
            if step % 100 == 0:
                means = [sum(column) / len(log) for column in zip(*log, strict=True)]
                seconds = time.time() - started
                print(
                    f"step {step} text {means[0]:.3f} answer {means[1]:.3f} right {means[2]:.3f} "
                    f"alignment {means[3]:.3f} "
                    f"{tokens / seconds:.0f} tokens/s {seconds:.0f} s",
                    flush=True,
                )
                log = []
            if step % 500 == 0 or step == args.steps:
                parts = {"model": model, "alignment_head": alignment_head, "optimizer": optimizer}
                torch.save({"step": step, **{k: v.state_dict() for k, v in parts.items()}}, args.checkpoint)
            if step == args.steps:
                save_half(model, args.out)
                return


if __name__ == "__main__":
    main()
