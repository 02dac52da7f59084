"""Fit a prediction to its device: batches that fill the memory, repeats after an overflow or a lack of memory."""
