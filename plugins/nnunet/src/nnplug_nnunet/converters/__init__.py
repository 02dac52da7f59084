"""Converters for the dataset layouts that nnU-Net users have."""

from nnplug_nnunet.converters.decathlon import Decathlon
from nnplug_nnunet.converters.nnunet_v1 import NnunetV1
from nnplug_nnunet.converters.pairs import Pairs

__all__ = ["Decathlon", "NnunetV1", "Pairs"]
