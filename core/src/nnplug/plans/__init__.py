"""The results of planning: the fingerprint and the plans."""
