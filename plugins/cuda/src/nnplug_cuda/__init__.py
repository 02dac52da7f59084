"""Faster layers for networks on a CUDA GPU."""
