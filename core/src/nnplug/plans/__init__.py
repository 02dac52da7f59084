"""Hold what planning measures and decides: the fingerprint and the plans."""
