"""nli-console: a terminal console for natural-language-inference experiments."""

__version__ = "0.1.0"
