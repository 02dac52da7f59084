"""Tools to run work on this machine: device, seeds, atomic files, executor, progress."""
