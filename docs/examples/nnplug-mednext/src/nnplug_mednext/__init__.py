"""A compact MedNeXt-style network for nnplug."""
