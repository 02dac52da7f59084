"""Everything this distribution offers; the implementations are imported when somebody chooses their names."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import Component, Recipe, hookimpl


@hookimpl
def nnplug_converters() -> Iterable[Component]:
    """The layouts that users of nnU-Net come from."""
    converters = "nnplug_nnunet.converters:"
    yield Component(
        "msd", f"{converters}Decathlon", "a task of the Medical Segmentation Decathlon, channels in 4D images"
    )
    yield Component("nnunet-v1", f"{converters}NnunetV1", "a task folder of nnU-Net v1")
    yield Component("pairs", f"{converters}Pairs", "folders of images and label maps, named by a pattern or alike")


@hookimpl
def nnplug_extractors() -> Iterable[Component]:
    """One way to measure a dataset."""
    yield Component("nnunet", "nnplug_nnunet.extractor:NnunetExtractor", "nnU-Net's fingerprint, from every voxel")


@hookimpl
def nnplug_normalizers() -> Iterable[Component]:
    """nnU-Net's normalisations."""
    normalizers = "nnplug_nnunet.normalizers:"
    yield Component("ct", f"{normalizers}CT", "clip and scale by the dataset's foreground intensities")
    yield Component("zscore", f"{normalizers}ZScore", "mean 0 and standard deviation 1 of each image")
    yield Component("none", f"{normalizers}Unchanged", "intensities as they are")
    yield Component("rescale-0-1", f"{normalizers}RescaleTo01", "each image's range becomes 0 to 1")
    yield Component("rgb-0-1", f"{normalizers}RGBTo01", "divide by 255")


@hookimpl
def nnplug_planners() -> Iterable[Component]:
    """One planning function, four budgets."""
    planning = "nnplug_nnunet.planning:"
    yield Component("nnunet", f"{planning}NnunetPlanner", "nnU-Net's rules: plain convolution U-Net, 8 GB")
    yield Component("nnunet-resenc-m", f"{planning}ResEncM", "nnU-Net's rules: residual encoder, 8 GB")
    yield Component("nnunet-resenc-l", f"{planning}ResEncL", "nnU-Net's rules: residual encoder, 24 GB")
    yield Component("nnunet-resenc-xl", f"{planning}ResEncXL", "nnU-Net's rules: residual encoder, 40 GB")


@hookimpl
def nnplug_architectures() -> Iterable[Component]:
    """The networks of nnU-Net v2."""
    networks = "nnplug_nnunet.architectures:"
    yield Component("plain-conv-unet", f"{networks}PlainConvUNet", "U-Net of plain convolution blocks, 2D and 3D")
    yield Component(
        "residual-encoder-unet", f"{networks}ResidualEncoderUNet", "U-Net with a residual encoder, 2D and 3D"
    )


@hookimpl
def nnplug_trainers() -> Iterable[Component]:
    """nnU-Net's training, its variants as options."""
    trainer = "nnplug_nnunet.training.trainer:NnUNetTrainer"
    yield Component("nnunet", trainer, "SGD with poly schedule, Dice and cross-entropy, deep supervision")


@hookimpl
def nnplug_augmenters() -> Iterable[Component]:
    """nnU-Net's random transforms."""
    target = "nnplug_nnunet.augmentation:NnunetAugmenter"
    yield Component("nnunet", target, "nnU-Net's rotation, scaling, noise, blur, intensities, resolution, mirroring")


@hookimpl
def nnplug_postprocessors() -> Iterable[Component]:
    """nnU-Net's removal of small islands."""
    target = "nnplug_nnunet.postprocessor:LargestComponent"
    yield Component("largest-component", target, "keeps the largest component of foreground and classes where it helps")


@hookimpl
def nnplug_metrics() -> Iterable[Component]:
    """nnU-Net's figures, and those of surfaces."""
    yield Component("overlap", "nnplug_nnunet.metrics:Overlap", "Dice, IoU and voxel counts, as in nnU-Net's summary")
    yield Component("surface", "nnplug_nnunet.metrics:Surface", "HD95, ASSD and surface Dice at a tolerance in mm")


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """nnU-Net as it is, and with its residual presets; what a recipe leaves out is taken from "nnunet"."""
    everything = {
        "extractor": "nnunet",
        "planner": "nnunet",
        "augmenter": "nnunet",
        "trainer": "nnunet",
        "postprocessor": "largest-component",
    }
    yield Recipe("nnunet", everything, "nnU-Net 2.8.1's default")
    yield Recipe("nnunet-resenc-m", {"planner": "nnunet-resenc-m"}, "residual encoder for 8 GB")
    yield Recipe("nnunet-resenc-l", {"planner": "nnunet-resenc-l"}, "residual encoder for 24 GB")
    yield Recipe("nnunet-resenc-xl", {"planner": "nnunet-resenc-xl"}, "residual encoder for 40 GB")
