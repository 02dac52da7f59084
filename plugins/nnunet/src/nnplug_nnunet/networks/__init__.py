"""The networks as torch modules, with nnU-Net v2's parameter names; an import of this package loads torch."""

from nnplug_nnunet.networks.blocks import Layers
from nnplug_nnunet.networks.names import from_nnunet, to_nnunet
from nnplug_nnunet.networks.unet import Decoder, PlainEncoder, ResidualEncoder, UNet

__all__ = ["Decoder", "Layers", "PlainEncoder", "ResidualEncoder", "UNet", "from_nnunet", "to_nnunet"]
