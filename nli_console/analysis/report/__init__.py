"""A run, or a comparison of runs, as one HTML file that needs nothing beside it."""

from nli_console.analysis.report.document import report

__all__ = ["report"]
