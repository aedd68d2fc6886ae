"""The embedded demo: a generated corpus in the layout of MultiNLI and two tiny models. Torch-free."""

from nli_console.data.demo.corpus import write_demo_corpus
from nli_console.data.demo.paths import demo_corpus_path, demo_model_path

__all__ = ["demo_corpus_path", "demo_model_path", "write_demo_corpus"]
