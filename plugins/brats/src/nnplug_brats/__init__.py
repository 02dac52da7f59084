"""The BraTS 2020 winner's variant of nnU-Net; see `nnplug_brats.plugin`."""
