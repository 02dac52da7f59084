"""The memory of a training step and of a prediction, counted without a GPU and without arithmetic."""
