"""Conversion of nnU-Net v2's resampling functions to resamplers and spline orders, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nnplug.errors import InvalidFile
from nnplug.plans.plans import Choice, Resampling, SplineOrders
from nnplug_nnunet.nnunet_models.vocabulary import (
    NO_RESAMPLING,
    RESAMPLERS,
    RESAMPLING,
    SEPARATE_Z_THRESHOLD,
    TORCH_RESAMPLING,
    need,
    reverse,
    translate,
)

_RESAMPLED = {"image": "data", "label": "seg", "probability": "probabilities"}
_SPLINES = Resampling()
_TORCH_DEFAULTS = {
    "memefficient_seg_resampling": False,
    "mode": "linear",
    "aniso_axis_mode": "nearest-exact",
    "separate_z_anisotropy_threshold": SEPARATE_Z_THRESHOLD,
}
"""Keyword of nnU-Net's function with torch -> the value that `nnunet-torch` computes with."""
_WITHOUT_EFFECT = ("is_seg", "num_threads", "device")


def resampling_from_nnunet(theirs: Mapping[str, Any], where: str) -> tuple[Resampling, Choice | None]:
    """Return the spline orders of a configuration, and its resampler; None for nnU-Net's default.

    Args:
        theirs: the configuration in nnU-Net's `plans.json`.
        where: file and configuration for messages.

    Raises:
        InvalidFile: nnplug lacks a function or a value of its keywords, or images and label maps have two functions.
    """
    names = {ours: _function(theirs, key, where) for ours, key in _RESAMPLED.items()}
    if names["image"] != names["label"]:
        raise InvalidFile(
            f"{where}: resampling_fn_data is {theirs['resampling_fn_data']!r} and resampling_fn_seg "
            f"{theirs['resampling_fn_seg']!r}; nnplug resamples images and label maps by one resampler"
        )
    if names["probability"] == "nnunet-none" != names["image"]:
        raise InvalidFile(
            f"{where}: resampling_fn_probabilities is {NO_RESAMPLING!r}, but images are resampled; logits would not "
            "fit the image"
        )
    read = {ours: _READ[name](theirs, _RESAMPLED[ours], where) for ours, name in names.items()}
    splines = {ours: one for ours, one in read.items() if one is not None}
    chosen = None if names["image"] == "nnunet" else Choice(name=names["image"])
    return Resampling(**splines), chosen


def resampling_to_nnunet(ours: Resampling, resampler: Choice | None, where: str) -> dict[str, Any]:
    """Return nnU-Net's functions and their keywords for a configuration.

    Args:
        ours: the spline orders.
        resampler: the resampler of the plans; None for the preprocessor's own.
        where: the plans for messages.

    Raises:
        InvalidFile: nnU-Net has no such resampler.
    """
    function = reverse(RESAMPLERS, "nnunet" if resampler is None else resampler.name, where, "the resampler")
    data: dict[str, Any] = {}
    for field, key in _RESAMPLED.items():
        data[f"resampling_fn_{key}"] = function
        data[f"resampling_fn_{key}_kwargs"] = _keywords(function, getattr(ours, field), is_seg=key == "seg")
    return data


def _function(theirs: Mapping[str, Any], key: str, where: str) -> str:
    return translate(RESAMPLERS, need(theirs, f"resampling_fn_{key}", where), where, f"resampling_fn_{key}")


def _splines(theirs: Mapping[str, Any], key: str, where: str) -> SplineOrders:
    options = dict(need(theirs, f"resampling_fn_{key}_kwargs", where))
    options.pop("is_seg", None)
    threshold = options.pop("separate_z_anisotropy_threshold", SEPARATE_Z_THRESHOLD)
    if threshold != SEPARATE_Z_THRESHOLD or options.get("order_z", 0) != 0:
        raise InvalidFile(
            f"{where}: resampling_fn_{key}_kwargs are {theirs[f'resampling_fn_{key}_kwargs']}; nnplug resamples across "
            f"slices to the nearest (order_z 0), where spacings differ by {SEPARATE_Z_THRESHOLD} times"
        )
    return SplineOrders.from_data(options, f"{where}: resampling_fn_{key}_kwargs")


def _torch(theirs: Mapping[str, Any], key: str, where: str) -> SplineOrders:
    """Return the spline orders, which `nnunet-torch` does not use, with nnU-Net's rule for separate slices."""
    options = {**need(theirs, f"resampling_fn_{key}_kwargs", where)}
    force = options.pop("force_separate_z", None)
    kept = {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}
    for name, value in kept.items():
        if name not in _TORCH_DEFAULTS or value != _TORCH_DEFAULTS[name]:
            expected = f"only {_TORCH_DEFAULTS[name]!r}" if name in _TORCH_DEFAULTS else "no such keyword"
            raise InvalidFile(f"{where}: resampling_fn_{key}_kwargs has {name} {value!r}; nnplug has {expected}")
    ours = {theirs: field for field, theirs in _RESAMPLED.items()}[key]
    default: SplineOrders = getattr(_SPLINES, ours)
    return msgspec.structs.replace(default, force_separate_z=force)


def _none(theirs: Mapping[str, Any], key: str, where: str) -> None:  # noqa: ARG001 - nothing is resampled
    return None


_READ = {"nnunet": _splines, "nnunet-torch": _torch, "nnunet-none": _none}


def _keywords(function: str, ours: SplineOrders, *, is_seg: bool) -> dict[str, Any]:
    if function == NO_RESAMPLING:
        return {}
    if function == RESAMPLING:
        return {"is_seg": is_seg, **msgspec.to_builtins(ours)}
    assert function == TORCH_RESAMPLING, "nnU-Net has three functions"
    return {"is_seg": is_seg, "force_separate_z": ours.force_separate_z, "memefficient_seg_resampling": False}
