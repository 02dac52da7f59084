"""The expected time of a training, measured on this machine before any case is preprocessed."""
