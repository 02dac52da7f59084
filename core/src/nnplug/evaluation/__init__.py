"""Functions that score, rank, postprocess and draw label maps."""
