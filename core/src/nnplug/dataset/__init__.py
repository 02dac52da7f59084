"""A dataset in nnU-Net's raw layout: its files, labels, cases, folds and groups of cases."""
