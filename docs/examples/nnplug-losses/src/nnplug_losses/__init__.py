"""Losses for small, thin and badly delineated structures."""
