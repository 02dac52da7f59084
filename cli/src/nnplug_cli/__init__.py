"""The command `nnplug`: it parses options, calls the core's stages and prints their results."""
