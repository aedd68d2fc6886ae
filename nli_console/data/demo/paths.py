"""Where the demo's models and corpus are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nli_console.data.demo.corpus import write_demo_corpus

_MODELS = Path(__file__).parent / "models"


def demo_model_path(kind: Literal["encoder", "decoder"]) -> Path:
    """Folder of the tiny encoder (RoBERTa architecture) or decoder (Llama architecture), part of the package.

    Raises:
        ValueError: `kind` is neither.
    """
    if kind not in ("encoder", "decoder"):
        raise ValueError(f'demo model: {kind!r}, expected "encoder" or "decoder"')
    return _MODELS / kind


def demo_corpus_path(cache_dir: Path) -> Path:
    """Folder of the demo corpus under `cache_dir`, written on first use (about a second)."""
    return write_demo_corpus(cache_dir / "demo-corpus")
