"""Run every step from a dataset to a bundle."""
