"""The `nnplug` command: parsing and rendering around calls of the core's stages."""
