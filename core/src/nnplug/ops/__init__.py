"""Pure array functions: no files, no globals, nothing of nnplug but its errors."""
