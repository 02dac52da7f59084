"""A training step as one CUDA graph."""
