"""nnU-Net v2's names of nnplug's components and fields. The names are compared; nothing is imported by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnplug.errors import InvalidFile

_UNETS = "dynamic_network_architectures.architectures.unet."
PLAIN = f"{_UNETS}PlainConvUNet"
RESIDUAL = f"{_UNETS}ResidualEncoderUNet"

NETWORKS = {
    PLAIN: "plain-conv-unet",
    RESIDUAL: "residual-encoder-unet",
    "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet": "residual-encoder-unet",
}
ENCODER_DEPTH = {"plain-conv-unet": "n_conv_per_stage", "residual-encoder-unet": "n_blocks_per_stage"}
"""Network -> the option with the depth of each encoder stage."""

PREPROCESSOR = "nnunet"
"""The component that does as nnU-Net's `DefaultPreprocessor`."""

NORMALIZERS = {
    "ZScoreNormalization": "zscore",
    "CTNormalization": "ct",
    "NoNormalization": "none",
    "RescaleTo01Normalization": "rescale-0-1",
    "RGBTo01Normalization": "rgb-0-1",
}
RESAMPLING = "resample_data_or_seg_to_shape"
TORCH_RESAMPLING = "resample_torch_fornnunet"
NO_RESAMPLING = "no_resampling_hack"
RESAMPLERS = {RESAMPLING: "nnunet", TORCH_RESAMPLING: "nnunet-torch", NO_RESAMPLING: "nnunet-none"}
"""nnU-Net's resampling function -> the component that computes the same."""
SEPARATE_Z_THRESHOLD = 3


def translate(names: Mapping[str, str], name: Any, where: str, what: str) -> str:
    """Return nnplug's name for nnU-Net's.

    Raises:
        InvalidFile: there is none; the message names it and lists the known names.
    """
    if name not in names:
        known = ", ".join(dict.fromkeys(n.rpartition(".")[2] for n in names))
        raise InvalidFile(f"{where}: {what} is {name!r}, which nnplug does not have; it has {known}")
    return names[name]


def reverse(names: Mapping[str, str], name: str, where: str, what: str) -> str:
    """Return nnU-Net's name for nnplug's; if several names have the same meaning, the first.

    Raises:
        InvalidFile: there is none.
    """
    for theirs, ours in names.items():
        if ours == name:
            return theirs
    raise InvalidFile(f"{where}: {what} is {name!r}, which nnU-Net v2 does not have; it has {', '.join(names)}")


def need(data: Mapping[str, Any], key: str, where: str) -> Any:
    """Return the value of a key.

    Raises:
        InvalidFile: the key is missing.
    """
    if key not in data:
        raise InvalidFile(f"{where}: {key!r} is missing; nnU-Net v2 writes it")
    return data[key]


READERS = {
    "simpleitk-reoriented": "SimpleITKIOWithReorient",
    "nibabel": "NibabelIO",
    "nibabel-reoriented": "NibabelIOWithReorient",
    "tifffile-sidecar": "Tiff3DIO",
}
"""Reader of nnplug -> nnU-Net's class with the same arrays and spacings."""
