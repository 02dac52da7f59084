"""One component of each of nine kinds."""
