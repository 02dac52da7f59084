"""Turn folders of other layouts into datasets, and restore the original label values of predictions."""
