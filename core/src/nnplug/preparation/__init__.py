"""Prepare a dataset for training: verify, measure, split, plan and preprocess it."""
