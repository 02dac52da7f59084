"""Run every stage from a dataset to a bundle."""
