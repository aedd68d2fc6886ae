"""Fine-tuning methods: one file each, torch-free at import."""
