"""nnU-Net's augmentation of training patches.

Every transform has two halves: `draw` takes random parameters, `apply` computes with them and draws nothing. The
pipeline reads as the rules do; a variant is other options, or another list of transforms.

Of batchgenerators the package uses the rule for the larger patch that the loader cuts (`rotate_coords_2d` and
`rotate_coords_3d`) and, for the option `interpolation="cubic"`, its spline interpolation (`interpolate_img`). The rest
of it draws from numpy's global generator while it computes, so that a sample cannot be replayed, and defines the
border of label maps, blur and gamma as the paper's code did, where nnU-Net 2.8.1 has other definitions.
"""

from nnplug_nnunet.augmentation.augmenter import NnunetAugmenter

__all__ = ["NnunetAugmenter"]
