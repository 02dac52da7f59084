"""Score, rank, postprocess and draw label maps."""
