"""MultiNLI and its relatives: read, map labels by name, sample by seed. Torch-free."""
