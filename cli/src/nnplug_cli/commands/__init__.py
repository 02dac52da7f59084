"""A module per command of `nnplug`."""
