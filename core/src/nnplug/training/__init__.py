"""Functions that train and validate folds."""
