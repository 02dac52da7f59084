"""Pure array functions. They use no files and no globals, and import only the errors of nnplug."""
