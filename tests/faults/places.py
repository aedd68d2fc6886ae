"""Where tests that make thousands of folders put them."""

import os


def in_memory() -> str | None:
    """A folder that is kept in memory, where there is one; else where temporary files go."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
