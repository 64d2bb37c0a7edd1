"""What a training script reads: datasets, and how their bytes come to its machine."""
