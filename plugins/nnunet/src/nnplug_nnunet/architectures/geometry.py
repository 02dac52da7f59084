"""The geometry that both U-Nets share: its checks and its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal, cast

from nnplug.errors import NnplugError
from nnplug.words import by_axis

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nnplug_nnunet.networks import Decoder, Layers, UNet

Size = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class UNetGeometry:
    """Options of a U-Net as plans hold them; one entry per stage, from fine to coarse.

    Attributes:
        n_stages: number of resolutions, the bottleneck included.
        features_per_stage: channels after each stage.
        kernel_sizes: per stage and axis, odd.
        strides: per stage and axis; the first stage has 1.
        n_conv_per_stage_decoder: convolutions per decoder stage, from coarse to fine, one entry fewer.
        conv_bias: whether convolutions add a bias.
        norm: the normalisation after each convolution.
        dropout: probability that a channel is dropped after each convolution.
    """

    n_stages: int
    features_per_stage: tuple[int, ...]
    kernel_sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    n_conv_per_stage_decoder: tuple[int, ...]
    conv_bias: bool = True
    norm: Literal["instance", "batch"] = "instance"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ValueError` if options contradict each other."""
        self.check_stages("features_per_stage", self.features_per_stage)
        self.check_stages("kernel_sizes", self.kernel_sizes)
        self.check_stages("strides", self.strides)
        self.check_stages("n_conv_per_stage_decoder", self.n_conv_per_stage_decoder, fewer=1)
        axes = {len(size) for size in (*self.kernel_sizes, *self.strides)}
        if axes not in ({2}, {3}):
            raise ValueError("kernel_sizes and strides must all have 2 axes, or all 3")
        if any(k % 2 == 0 for kernel in self.kernel_sizes for k in kernel):
            raise ValueError(f"kernel_sizes are {_nested(self.kernel_sizes)}; they must be odd")
        if any(s != 1 for s in self.strides[0]):
            raise ValueError(f"strides begin with {list(self.strides[0])}; the first stage keeps the resolution")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a probability, at least 0 and below 1")

    def check_stages(self, name: str, values: Sequence[Any], *, fewer: int = 0) -> None:
        """Raise `ValueError` unless there is one positive entry per stage."""
        if len(values) != self.n_stages - fewer:
            raise ValueError(f"{name} has {len(values)} entries; {self.n_stages} stages need {self.n_stages - fewer}")
        if any(v < 1 for value in values for v in (value if isinstance(value, tuple) else (value,))):
            raise ValueError(f"{name} is {_nested(values)}; every number must be at least 1")

    @property
    def dimensions(self) -> Literal[2, 3]:
        """The number of spatial axes, 2 or 3."""
        return 2 if len(self.strides[0]) == 2 else 3

    @property
    def divisor(self) -> Size:
        """The number per axis that a patch size must be a multiple of: the product of the strides."""
        return tuple(prod(axis) for axis in zip(*self.strides, strict=True))

    def sizes(self, patch_size: Sequence[int]) -> list[Size]:
        """Return the size after each stage's stride, from fine to coarse; rounded down if not divisible."""
        sizes = []
        size = tuple(patch_size)
        for stride in self.strides:
            size = tuple(n // s for n, s in zip(size, stride, strict=True))
            sizes.append(size)
        return sizes

    def decoder_elements(self, patch_size: Sequence[int], heads: int) -> int:
        """Return the elements of the decoder's feature maps: upsampled maps, convolutions, and the finest logits."""
        sizes = self.sizes(patch_size)[-2::-1]
        features = self.features_per_stage[-2::-1]
        maps = zip(self.n_conv_per_stage_decoder, features, sizes, strict=True)
        return sum((n + 1) * f * prod(size) for n, f, size in maps) + heads * prod(sizes[-1] if sizes else (0,))

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise unless the strides divide the patch and it leaves more than one voxel to normalise over.

        Raises:
            NnplugError: the patch has the wrong number of axes or does not fit; the message gives the nearest size that
                fits.
        """
        if len(patch_size) != self.dimensions:
            raise NnplugError(
                f"patch size {by_axis(patch_size)} has {len(patch_size)} axes; expected {self.dimensions}"
            )
        if self.n_stages == 1:
            raise NnplugError(
                f"a patch of {by_axis(patch_size)} voxels is too small for a U-Net; an axis needs at least 8"
            )
        nearest = self._nearest(patch_size)
        if nearest != tuple(patch_size):
            raise NnplugError(
                f"patch size {by_axis(patch_size)} does not fit the network: it needs multiples of "
                f"{by_axis(self.divisor)}, and more than one voxel at the bottleneck; the nearest is {by_axis(nearest)}"
            )

    def _nearest(self, patch_size: Sequence[int]) -> Size:
        size = [max(1, round(n / d)) * d for n, d in zip(patch_size, self.divisor, strict=True)]
        if size == list(self.divisor) and self.norm == "instance":
            size[-1] *= 2
        return tuple(size)

    def split_head(self, network: nn.Module) -> tuple[Callable[[torch.Tensor], torch.Tensor], nn.Module]:
        """Return the network without its last layer, and that layer; see `nnplug.contracts.HeadedArchitecture`."""
        unet = cast("UNet", network)
        return unet.features, unet.decoder.head

    def layers(self) -> Layers:
        """Return the elementary layers; imports torch."""
        from nnplug_nnunet.networks import Layers

        return Layers(self.dimensions, self.norm, self.dropout, self.conv_bias)

    def decoder(self, outputs: int) -> Decoder:
        """Return the decoder; imports torch."""
        from nnplug_nnunet.networks import Decoder

        n_conv = self.n_conv_per_stage_decoder
        return Decoder(self.layers(), outputs, self.features_per_stage, self.kernel_sizes, self.strides, n_conv)


def _nested(values: Sequence[Any]) -> list[Any]:
    return [list(v) if isinstance(v, tuple) else v for v in values]
