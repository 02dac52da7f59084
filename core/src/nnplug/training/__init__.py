"""Train and validate folds."""
