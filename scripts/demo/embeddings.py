"""Word embeddings from co-occurrence counts, where both models start from.

Positive pointwise mutual information of each token with the tokens of its pair and with its two neighbours,
reduced by a truncated singular value decomposition (Levy, Goldberg & Dagan 2015, "Improving distributional
similarity with lessons learned from word embeddings").
"""

from __future__ import annotations

from itertools import islice

import torch
from common import pretraining_triples

TRIPLES = 5_000
NOISE = 1.2
"""Individual part of a vector, relative to the part that words used alike have in common."""


def cooccurrence_embeddings(tokenizer, dimensions: int, std: float) -> torch.Tensor:
    """Embeddings of the whole vocabulary, shape (vocabulary, dimensions), with the given standard deviation.

    Tokens that never occur get noise.
    """
    size = len(tokenizer)
    together, left = torch.zeros(size, size), torch.zeros(size, size)
    pairs = [pair for triple in islice(pretraining_triples(seed=0, strict=True), TRIPLES) for pair in triple]
    encoded = tokenizer([f"{p.premise} {p.hypothesis}" for p in pairs], add_special_tokens=False)["input_ids"]
    for ids in encoded:
        x = torch.tensor(ids)
        once = x.unique()
        together[once[:, None], once] += 1
        left[x[1:], x[:-1]] += 1
    together.fill_diagonal_(0)
    features = torch.cat([_ppmi(together), _ppmi(left), _ppmi(left.T)], 1)
    u, s, _ = torch.svd_lowrank(features, q=dimensions, niter=3)
    vectors = u * s.sqrt()
    vectors /= vectors.norm(dim=1, keepdim=True).clamp(min=1e-6)
    vectors = vectors * dimensions**0.5 + torch.randn_like(vectors) * NOISE
    return vectors * std / (1 + NOISE**2) ** 0.5


def _ppmi(counts: torch.Tensor) -> torch.Tensor:
    rows, columns = counts.sum(1, keepdim=True), counts.sum(0, keepdim=True)
    return (counts * counts.sum() / (rows * columns).clamp(min=1)).clamp(min=1).log()
