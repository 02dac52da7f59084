"""One module per command; its `main` is the entry of the console script."""
