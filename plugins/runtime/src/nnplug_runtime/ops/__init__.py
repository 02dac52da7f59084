"""Array functions of nnplug-core, as links to its files: they import numpy and scipy alone."""
