"""Layers that networks and accelerators share, and the replacement of layers."""
