"""Components that each break one promise of their kind, and sound ones that they are made of."""
