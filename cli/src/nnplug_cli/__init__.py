"""The command `nnplug`: it parses options, calls the core's steps and prints their results."""
