"""Turn folders of other layouts into datasets, and label maps back into their values."""
