"""The label value outside of images. Preprocessing imports this module, so it does not import torch."""

OUTSIDE = -1
"""The label value of background outside the nonzero mask, and of voxels outside an image."""
