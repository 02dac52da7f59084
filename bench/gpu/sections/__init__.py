"""The sections of the check: each module has `rows`, which measures on a `Site` and yields rows."""
