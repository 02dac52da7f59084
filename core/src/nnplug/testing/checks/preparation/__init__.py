"""The checks of components that prepare images for a network."""
