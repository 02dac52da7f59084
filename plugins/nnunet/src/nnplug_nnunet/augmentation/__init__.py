"""nnU-Net's augmentation of training patches.

Every transform has two halves: `draw` draws random parameters, and `apply` computes with them without randomness. The
pipeline lists the transforms in nnU-Net's order; a variant has other options or another list of transforms.

The package uses two parts of batchgenerators: the rule for the larger patch that the loader cuts (`rotate_coords_2d`
and `rotate_coords_3d`) and, for the option `interpolation="cubic"`, its spline interpolation (`interpolate_img`). The
rest of batchgenerators draws from numpy's global generator while it computes, so a sample could not be replayed; and it
defines the border of label maps, blur and gamma as the paper's code did, where nnU-Net 2.8.1 has other definitions.
"""

from nnplug_nnunet.augmentation.augmenter import NnunetAugmenter
from nnplug_nnunet.augmentation.da5 import Da5Augmenter

__all__ = ["Da5Augmenter", "NnunetAugmenter"]
