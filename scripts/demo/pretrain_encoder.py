"""Pre-train the demo encoder: masked words and connectives, an objective at ``<s>``, word alignment.

Pairs of the generator are read with a connective between premise and hypothesis ("Therefore", "Perhaps",
"Falsely"), which is masked and has to be restored; this is what teaches the relation. At ``<s>`` the model
says whether the two sentences can both be true, and in a second phase only what they are about: the less the
first token tells, the more there is left for fine-tuning. On the middle layer it says for every word what the
sequence holds for it besides (`alignment`). Positions are shifted at random, so that virtual tokens in front
of a pair do no harm.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from alignment import KINDS, Alignment
from common import CONNECTIVES, MODELS, learning_rate, lower_first, pad, pretraining_triples, save_half
from embeddings import cooccurrence_embeddings
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, RobertaConfig, RobertaForMaskedLM

from nli_console.data.demo.genres import GENRES

CONTEXT = 256
CHUNK_TRIPLES = 5_000
PLAIN, CONNECTED, ONE_SEGMENT = 0.25, 0.55, 0.20
"""Shares of sequences: a bare pair, a pair with a connective, and both sentences in one segment with a
connective."""

TOPICS = [genre.name for genre in GENRES]

CONNECTIVE_MASKED = 0.85
MASKED_PLAIN, MASKED_BESIDE_MASK, MASKED_BESIDE_WORD = 0.10, 0.02, 0.30
"""Shares of other words that are masked: in a bare pair, beside a masked and beside a visible connective."""


@dataclass(frozen=True)
class Sequence:
    ids: list[int]
    contradicts: int
    topic: int


def sequences(tokenizer, seed: int, strict: bool) -> Iterator[list[Sequence]]:
    """Endless chunks of fresh tokenised pairs."""
    triples, rng = pretraining_triples(seed, strict=strict), random.Random(f"encoder-{seed}")
    while True:
        pairs = [pair for triple in islice(triples, CHUNK_TRIPLES) for pair in triple]
        firsts, seconds, joined = [], [], []
        for pair in pairs:
            kind, connective = rng.random(), rng.choice(CONNECTIVES[pair.label])
            second = pair.hypothesis if kind < PLAIN else f"{connective}, {lower_first(pair.hypothesis)}"
            if kind < PLAIN + CONNECTED:
                firsts.append(pair.premise)
                seconds.append(second)
                joined.append(None)
            else:
                joined.append(f"{pair.premise} {second}")
        two = iter(tokenizer(firsts, seconds)["input_ids"])
        one = iter(tokenizer([text for text in joined if text])["input_ids"])
        rows = [next(one) if text else next(two) for text in joined]
        yield [
            Sequence(ids, int(p.label == "contradiction"), TOPICS.index(p.genre))
            for ids, p in zip(rows, pairs, strict=True)
        ]


def batches(chunk: list[Sequence], size: int, rng: random.Random) -> list[list[Sequence]]:
    """Batches of similar length, in random order."""
    rng.shuffle(chunk)
    found = []
    for start in range(0, len(chunk), size * 32):
        block = sorted(chunk[start : start + size * 32], key=lambda s: len(s.ids))
        found += [block[i : i + size] for i in range(0, len(block), size)]
    rng.shuffle(found)
    return found


class Masker:
    """Chooses what is hidden in a batch."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.family = torch.full((len(tokenizer),), -1)
        for i, words in enumerate(CONNECTIVES.values()):
            for word in words:
                for form in (word, f" {word}"):
                    (token,) = tokenizer(form, add_special_tokens=False)["input_ids"]
                    self.family[token] = i

    def __call__(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Input ids, hidden positions, hidden connectives (B, L); rows that hide their relation (B,)."""
        connective = (self.family[ids] >= 0) & (ids.roll(-1, 1) == self.tokenizer.convert_tokens_to_ids(","))
        has = connective.any(1)
        hide = has & (torch.rand(len(ids)) < CONNECTIVE_MASKED)
        share = torch.where(has, torch.where(hide, MASKED_BESIDE_MASK, MASKED_BESIDE_WORD), MASKED_PLAIN)
        hidden = (torch.rand(ids.shape) < share[:, None]) & ~connective
        hidden &= ~torch.isin(ids, self.special)
        hidden |= connective & hide[:, None]
        inputs, chance = ids.clone(), torch.rand(ids.shape)
        inputs[hidden & ((chance < 0.85) | connective)] = self.tokenizer.mask_token_id
        return inputs, hidden, connective & hidden, ~has | hide


def family_loss(logits: torch.Tensor, target: torch.Tensor, family: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the connective's family: which of its synonyms stood there cannot be known.

    Shapes: logits (N, vocabulary), target (N,), family (vocabulary,) with -1 for other words.
    """
    of_families = torch.stack([logits[:, family == i].logsumexp(-1) for i in range(len(CONNECTIVES))], 1)
    return (logits.logsumexp(-1) - of_families.gather(1, target[:, None])[:, 0]).mean()


@torch.no_grad()
def attend_to_equals(layers: list[torch.nn.Module], model: RobertaForMaskedLM) -> None:
    """Start half of the heads with keys equal to queries, so that equal words find each other from the start.

    After Trockman & Kolter 2023, "Mimetic initialization of self-attention layers".
    """
    for attention in layers:
        half = attention.query.weight.shape[0] // 2
        attention.query.weight[:half] *= 1.5
        attention.key.weight[:half] = attention.query.weight[:half]
    model.roberta.embeddings.position_embeddings.weight *= 0.4


def shifted_positions(shape: torch.Size, length: int, rng: random.Random) -> torch.Tensor:
    """RoBERTa position ids (from 2) that start later in three of ten batches."""
    room = CONTEXT - length
    start = 0 if rng.random() < 0.7 else rng.randint(0, min(room, 40 if rng.random() < 0.8 else room))
    return (torch.arange(length) + 2 + start).expand(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--cooldown", type=int, default=1200, help="last steps with a falling learning rate")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--first-token", choices=("compatible", "topic"), default="compatible")
    parser.add_argument("--strict", action="store_true", help="hold places and verbs out as well")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, default=Path("/tmp/demo-encoder.pt"))
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from")
    parser.add_argument("--out", type=Path, default=MODELS / "encoder")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "encoder")
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=CONTEXT + 2,
        type_vocab_size=1,
        initializer_range=0.06,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-5,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = RobertaForMaskedLM(config)
    attend_to_equals([layer.attention.self for layer in model.roberta.encoder.layer[:2]], model)
    pair_head = torch.nn.Linear(config.hidden_size, 2)
    alignment_head = torch.nn.Linear(config.hidden_size, KINDS)
    topic_head = torch.nn.Linear(config.hidden_size, len(TOPICS))
    heads = torch.nn.ModuleList([pair_head, alignment_head, topic_head])
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=args.learning_rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True
    )
    step = 0
    model.roberta.embeddings.word_embeddings.weight.data.copy_(
        cooccurrence_embeddings(tokenizer, config.hidden_size, config.initializer_range)
    )
    if args.resume:
        state = torch.load(args.resume)
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    masker, alignment = Masker(tokenizer), Alignment(tokenizer)
    model.train()
    started, first, log = time.time(), step, []
    for chunk in sequences(tokenizer, args.seed + step, args.strict):
        for batch in batches(chunk, args.batch, rng):
            ids = pad([s.ids for s in batch], config.pad_token_id)
            inputs, hidden, asked, fair = masker(ids)
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * learning_rate(step, args.steps, args.cooldown)
            outputs = model.roberta(
                input_ids=inputs,
                attention_mask=(ids != config.pad_token_id).long(),
                position_ids=shifted_positions(ids.shape, ids.shape[1], rng),
                output_hidden_states=True,
            )
            states, middle = outputs.last_hidden_state, outputs.hidden_states[config.num_hidden_layers // 2]
            target = ids[hidden]
            logits = model.lm_head(states[hidden])
            losses = cross_entropy(logits, target, reduction="none")
            family, is_connective = masker.family[target], asked[hidden]
            words = losses[~is_connective].mean()
            relation = family_loss(logits[is_connective], family[is_connective], masker.family)
            if args.first_token == "compatible":
                wanted = torch.tensor([s.contradicts for s in batch])[fair]
                guess = pair_head(states[:, 0][fair])
            else:
                wanted, guess = torch.tensor([s.topic for s in batch]), topic_head(states[:, 0])
            first_token = cross_entropy(guess, wanted)
            kinds, is_word = alignment(ids, causal=False)
            aligned = cross_entropy(alignment_head(middle[is_word]), kinds[is_word])
            loss = words + relation + 0.5 * first_token + aligned
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            predicted = masker.family[logits[is_connective].argmax(-1)]
            right = (predicted == family[is_connective]).float().mean()
            first_right = (guess.argmax(-1) == wanted).float().mean()
            log.append([words.item(), relation.item(), right.item(), first_right.item(), aligned.item()])
            if step % 100 == 0:
                means = [sum(column) / len(log) for column in zip(*log, strict=True)]
                speed = (step - first) * args.batch / (time.time() - started)
                print(
                    f"step {step} words {means[0]:.3f} relation {means[1]:.3f} right {means[2]:.3f} "
                    f"first token {means[3]:.3f} alignment {means[4]:.3f} "
                    f"{speed:.0f} sequences/s {time.time() - started:.0f} s",
                    flush=True,
                )
                log = []
            if step % 500 == 0 or step == args.steps:
                parts = {"model": model, "heads": heads, "optimizer": optimizer}
                torch.save({"step": step, **{k: v.state_dict() for k, v in parts.items()}}, args.checkpoint)
            if step == args.steps:
                save_half(model, args.out)
                return


if __name__ == "__main__":
    main()
