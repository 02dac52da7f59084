"""nnU-Net v2's commands, flags, environment variables and folders, over nnplug's stages."""
