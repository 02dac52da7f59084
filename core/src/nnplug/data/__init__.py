"""What is on disk: datasets, labels, images, fingerprints, plans, splits, the case store, the workspace."""
