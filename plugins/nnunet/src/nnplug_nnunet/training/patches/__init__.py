"""Patches of a training: where they lie, their batches, and the threads that prepare them."""
