"""The default reader: ITK, and where nnU-Net reads otherwise, the library that nnU-Net reads with."""
