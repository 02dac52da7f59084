"""OME-Zarr for nnplug: a reader of images in folders, and a writer of label maps."""
