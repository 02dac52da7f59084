"""The steps as a user calls them: a function per command, with its names and defaults. `nnplug.run` and the others.

Each module has the function of one step for Python users, and below it the function that the command calls too.
"""
