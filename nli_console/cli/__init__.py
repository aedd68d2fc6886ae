"""Headless commands: one file per family, thin over the same core as the console."""
