"""The order of training rows: a function of (seed, epoch), so that a resumed run sees the same batches."""

from collections.abc import Iterator, Sequence

import numpy
from torch.utils.data import Sampler

POOL_BATCHES = 50
"""Rows of this many batches are sorted by length before they are cut: little padding, yet a random order."""


class EpochSampler(Sampler[int]):
    """Row indices of one epoch, shuffled, with neighbours of similar length when ``lengths`` is given.

    Args:
        rows: number of rows.
        batch_size: rows of one optimiser step; rows of one step have similar lengths.
        seed: with the epoch it decides the order.
        lengths: tokens per row, shape ``(rows,)``; ``None`` shuffles plainly.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, lengths: Sequence[int] | None = None) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._lengths = None if lengths is None else numpy.asarray(lengths)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of; the data loader calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        generator = numpy.random.default_rng((self._seed, self._epoch))
        order = generator.permutation(self._rows)
        if self._lengths is not None:
            order = self._grouped(order, generator)
        return iter(order.tolist())

    def _grouped(self, order: numpy.ndarray, generator: numpy.random.Generator) -> numpy.ndarray:
        lengths = self._lengths
        assert lengths is not None
        pool = self._batch_size * POOL_BATCHES
        batches: list[numpy.ndarray] = []
        for start in range(0, self._rows, pool):
            rows = order[start : start + pool]
            rows = rows[numpy.argsort(-lengths[rows], kind="stable")]
            batches += [rows[i : i + self._batch_size] for i in range(0, len(rows), self._batch_size)]
        # A short batch anywhere but at the end would shift the borders of all that follow.
        last = batches.pop() if len(batches[-1]) < self._batch_size else None
        arranged = [batches[i] for i in generator.permutation(len(batches))]
        if self._epoch == 0 and arranged:
            # The longest batch first: memory that does not suffice shows at once.
            longest = max(range(len(arranged)), key=lambda i: int(lengths[arranged[i][0]]))
            arranged[0], arranged[longest] = arranged[longest], arranged[0]
        if last is not None:
            arranged.append(last)
        return numpy.concatenate(arranged)
