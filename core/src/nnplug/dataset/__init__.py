"""Describe a dataset in the raw layout: its files, labels, cases, folds and groups of patients."""
