"""Readings of GPUs (a helper process) and of the host."""
