"""Predictions, paired tests, slices and exports, in a process of its own: pyarrow and numpy, no torch."""
