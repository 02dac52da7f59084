"""A prediction server for models of nnplug, which speaks MONAI Label's protocol."""
