"""nnU-Net v2's commands, flags, environment variables and folders, built on nnplug."""
