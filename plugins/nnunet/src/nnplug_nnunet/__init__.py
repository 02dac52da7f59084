"""The behaviour of nnU-Net 2.8.1 as named components; see `nnplug_nnunet.plugin`."""
