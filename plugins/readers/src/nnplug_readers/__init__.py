"""Readers of image files on nibabel and tifffile, and readers that turn images to RAS axes."""
