"""A module per command, each with the `main` that its console script calls."""
