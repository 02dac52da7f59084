"""Where and how work runs: device, seeds, atomic files, executor, progress."""
