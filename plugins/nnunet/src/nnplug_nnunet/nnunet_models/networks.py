"""Conversion of networks between nnU-Net v2's plans and nnplug's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnplug.errors import InvalidFile
from nnplug.plans.plans import Choice
from nnplug_nnunet.nnunet_models import primus
from nnplug_nnunet.nnunet_models.vocabulary import ENCODER_DEPTH, NETWORKS, PLAIN, RESIDUAL, need, reverse, translate

_OLD_CLASSES = {"PlainConvUNet": PLAIN, "ResidualEncoderUNet": RESIDUAL}
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}
_NORM_DEFAULTS = {"eps": 1e-5, "affine": True}
_NONLIN_DEFAULTS = {"negative_slope": 0.01}
_LAYERS = ("conv_op", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin")
_IGNORED = ("nonlin_kwargs", "deep_supervision")


def network_from_nnunet(configuration: Mapping[str, Any], where: str) -> Choice:
    """Return the network of a configuration of nnU-Net v2, in the current or the older layout.

    Raises:
        InvalidFile: nnplug lacks the network or one of its layers; the message names it.
    """
    if "architecture" not in configuration:
        return _old_network(configuration, where)
    architecture = configuration["architecture"]
    if architecture.get("network_class_name") == primus.CLASS:
        return primus.from_nnunet(need(architecture, "arch_kwargs", where), where)
    name = translate(NETWORKS, need(architecture, "network_class_name", where), where, "the network")
    return Choice(name=name, options=_options(name, need(architecture, "arch_kwargs", where), where))


def network_to_nnunet(choice: Choice, dimensions: int, where: str) -> dict[str, Any]:
    """Return the `architecture` of nnU-Net v2's plans for a network of nnplug.

    Raises:
        InvalidFile: nnU-Net v2 has no such network.
    """
    if choice.name == primus.NAME:
        return primus.to_nnunet(choice)
    class_name = reverse(NETWORKS, choice.name, where, "the network")
    options = dict(choice.options)
    norm = options.pop("norm", "instance")
    dropout = options.pop("dropout", 0.0)
    module, op = {"instance": ("instancenorm", "InstanceNorm"), "batch": ("batchnorm", "BatchNorm")}[norm]
    layers = {
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "conv_bias": options.pop("conv_bias", True),
        "norm_op": f"torch.nn.modules.{module}.{op}{dimensions}d",
        "norm_op_kwargs": dict(_NORM_DEFAULTS),
        "dropout_op": f"torch.nn.modules.dropout.Dropout{dimensions}d" if dropout else None,
        "dropout_op_kwargs": {"p": dropout, "inplace": True} if dropout else None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {
        "network_class_name": class_name,
        "arch_kwargs": {**options, **layers},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _options(name: str, theirs: Mapping[str, Any], where: str) -> dict[str, Any]:
    stages = need(theirs, "n_stages", where)
    shapes = {key: need(theirs, key, where) for key in ("kernel_sizes", "strides")}
    counts = {"features_per_stage": stages, ENCODER_DEPTH[name]: stages, "n_conv_per_stage_decoder": stages - 1}
    known = {"n_stages", *shapes, *counts, *_LAYERS, *_IGNORED}
    if strange := [key for key, value in theirs.items() if key not in known and value]:
        raise InvalidFile(
            f"{where}: the network has {strange[0]} = {theirs[strange[0]]!r}, which nnplug's {name!r} does not have"
        )
    dimensions = _dimensions(theirs, where)
    return {
        "n_stages": stages,
        **{key: _per_stage(need(theirs, key, where), n) for key, n in counts.items()},
        **{key: [_per_stage(size, dimensions) for size in _per_stage(value, stages)] for key, value in shapes.items()},
        **_layers(theirs, where),
    }


def _per_stage(value: Any, n: int) -> list[Any]:
    """Return a value per stage; a single number in nnU-Net's options means the same value everywhere."""
    return list(value) if isinstance(value, Sequence) else [value] * n


def _dimensions(theirs: Mapping[str, Any], where: str) -> int:
    op = str(need(theirs, "conv_op", where))
    if not op.endswith(("Conv2d", "Conv3d")):
        raise InvalidFile(f"{where}: conv_op is {op!r}; nnplug's networks have Conv2d or Conv3d")
    return int(op[-2])


def _layers(theirs: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options that differ from the defaults, and refuse a layer that nnplug's networks cannot have."""
    norm = str(theirs.get("norm_op")).rpartition(".")[2]
    if norm[:-2] not in _NORMS:
        raise InvalidFile(f"{where}: norm_op is {theirs.get('norm_op')!r}; nnplug's networks have {', '.join(_NORMS)}")
    if str(theirs.get("nonlin")).rpartition(".")[2] != "LeakyReLU":
        raise InvalidFile(f"{where}: nonlin is {theirs.get('nonlin')!r}; nnplug's networks have LeakyReLU")
    _check_same(theirs, "norm_op_kwargs", _NORM_DEFAULTS, where)
    _check_same(theirs, "nonlin_kwargs", _NONLIN_DEFAULTS, where)
    options: dict[str, Any] = {}
    if norm[:-2] != "InstanceNorm":
        options["norm"] = _NORMS[norm[:-2]]
    if not theirs.get("conv_bias", False):
        options["conv_bias"] = False
    if theirs.get("dropout_op") is not None:
        options["dropout"] = float((theirs.get("dropout_op_kwargs") or {}).get("p", 0.5))
    return options


def _check_same(theirs: Mapping[str, Any], key: str, ours: Mapping[str, Any], where: str) -> None:
    given = theirs.get(key) or {}
    for name, value in ours.items():
        if name in given and given[name] != value:
            raise InvalidFile(f"{where}: {key} has {name} = {given[name]!r}; nnplug's networks have {value!r}")


def _old_network(configuration: Mapping[str, Any], where: str) -> Choice:
    """Return the network of plans before nnU-Net 2.5, which list its fields; all layers were the defaults."""
    class_name = translate(_OLD_CLASSES, need(configuration, "UNet_class_name", where), where, "the network")
    name = NETWORKS[class_name]
    depth = need(configuration, "n_conv_per_stage_encoder", where)
    base, most = (need(configuration, key, where) for key in ("UNet_base_num_features", "unet_max_num_features"))
    return Choice(
        name=name,
        options={
            "n_stages": len(depth),
            "features_per_stage": [min(base * 2**stage, most) for stage in range(len(depth))],
            "kernel_sizes": need(configuration, "conv_kernel_sizes", where),
            "strides": need(configuration, "pool_op_kernel_sizes", where),
            ENCODER_DEPTH[name]: list(depth),
            "n_conv_per_stage_decoder": list(need(configuration, "n_conv_per_stage_decoder", where)),
        },
    )
