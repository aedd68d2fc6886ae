"""Calibration of label likelihoods: what a label gets whatever is asked is divided out."""

import numpy

from nli_console.data.spec import Example

CONTENT_FREE = tuple(Example("", text, text, 0) for text in ("N/A", "[MASK]", "-"))
"""Pairs that say nothing, after Zhao et al. 2021 (arXiv 2102.09690)."""


def normalised(scores: numpy.ndarray) -> numpy.ndarray:
    """Logarithms of probabilities over the three labels alone, float64, shape ``(rows, 3)``."""
    wide = scores.astype(numpy.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))


def calibrated(scores: numpy.ndarray, reference: numpy.ndarray) -> numpy.ndarray:
    """``scores`` less the logarithm of the labels' mean probability in ``reference``, normalised.

    Both are log-likelihoods, shape ``(rows, 3)``. With the content-free pairs as reference this is contextual
    calibration, with ``scores`` themselves batch calibration (Zhou et al. 2023, arXiv 2309.17249).
    """
    prior = numpy.exp(normalised(reference)).mean(axis=0)
    return normalised(normalised(scores) - numpy.log(prior))
