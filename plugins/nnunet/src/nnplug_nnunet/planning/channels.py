"""Normalisation by channel name."""

from __future__ import annotations

from nnplug.errors import nearest
from nnplug.plans.plans import Choice, Normalization
from nnplug.registry.components import Kind, Registry

NORMALIZERS = {
    "ct": "ct",
    "nonorm": "none",
    "zscore": "zscore",
    "rescale_to_0_1": "rescale-0-1",
    "rgb_to_0_1": "rgb-0-1",
}
"""Lower-case channel name -> normalizer; for every other name it is `OTHERWISE`."""

OTHERWISE = "zscore"

MASK_BELOW = 0.75
"""The normalisation uses the nonzero mask if cropping to it leaves less than this share of the image."""


NAMES = ("CT", "noNorm", "zscore", "rescale_to_0_1", "rgb_to_0_1")
"""The channel names as nnU-Net writes them, which are the keys of `NORMALIZERS` in lower case."""


def unknown_channel(channel: str) -> str | None:
    """Return a notice about a channel name from which nnU-Net derives no normalisation; None for the other names."""
    if channel.casefold() in NORMALIZERS:
        return None
    known = {name.casefold(): name for name in NAMES}
    close = nearest(channel.casefold(), known)
    hint = f"Did you mean {known[close]!r}?" if close else f"Names that do: {', '.join(NAMES)}."
    return f"channel name {channel!r} names no normalisation, so {OTHERWISE} is used. {hint}"


def normalization(
    channel: str, relative_size: float, registry: Registry, *, normalizer: Choice | None = None
) -> Normalization:
    """Return the normalisation of one channel.

    Args:
        channel: its name in `dataset.json`.
        relative_size: voxels after cropping divided by voxels before, the median over the cases.
        registry: the installed components, to look up the normalizer.
        normalizer: the normalizer that the user wants for every channel.
    """
    name = normalizer.name if normalizer else NORMALIZERS.get(channel.casefold(), OTHERWISE)
    maskable = bool(registry.get(Kind.NORMALIZER, name).load().zeroes_outside_mask)
    options = (normalizer and normalizer.options) or None
    return Normalization(name=name, use_mask=maskable and relative_size < MASK_BELOW, options=options)
