"""How many runs are compared at a time; apart, because the history tells it before anything is compared."""

FEWEST, MOST = 2, 8
