"""One module per command of `nnplug`."""
