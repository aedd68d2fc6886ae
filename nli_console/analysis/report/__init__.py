"""A run, or a comparison of runs, as one HTML file that needs nothing beside it."""
