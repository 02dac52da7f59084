"""Faster layers for networks on a CPU: an accelerator of nnplug."""
