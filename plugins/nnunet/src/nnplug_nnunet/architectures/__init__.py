"""nnU-Net's networks as options and arithmetic; torch is imported when a network is built."""

from nnplug_nnunet.architectures.plain import PlainConvUNet
from nnplug_nnunet.architectures.primus import Primus
from nnplug_nnunet.architectures.residual import ResidualEncoderUNet

__all__ = ["PlainConvUNet", "Primus", "ResidualEncoderUNet"]
