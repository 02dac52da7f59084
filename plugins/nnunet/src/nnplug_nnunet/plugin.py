"""Everything this distribution offers; a component is imported when a user chooses its name."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import (
    ArchitectureComponent,
    AugmenterComponent,
    ConverterComponent,
    ExtractorComponent,
    LossComponent,
    MetricComponent,
    NormalizerComponent,
    PlannerComponent,
    PluginCommand,
    PostprocessorComponent,
    PreprocessorComponent,
    Recipe,
    ResamplerComponent,
    SamplerComponent,
    TrainerComponent,
    hookimpl,
)

_CENTRES = "nnplug_nnunet.training.patch_centres:PatchCentres"


@hookimpl
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Yield the converters for the dataset layouts that nnU-Net users have."""
    converters = "nnplug_nnunet.converters:"
    yield ConverterComponent(
        "msd", f"{converters}Decathlon", "a task of the Medical Segmentation Decathlon, channels in 4D images"
    )
    yield ConverterComponent("nnunet-v1", f"{converters}NnunetV1", "a task folder of nnU-Net v1")
    yield ConverterComponent(
        "pairs", f"{converters}Pairs", "folders of images and label maps, named by a pattern or alike"
    )


@hookimpl
def nnplug_extractors() -> Iterable[ExtractorComponent]:
    """Yield nnU-Net's fingerprint extractor."""
    yield ExtractorComponent(
        "nnunet", "nnplug_nnunet.extractor:NnunetExtractor", "nnU-Net's fingerprint, from every voxel"
    )


@hookimpl
def nnplug_preprocessors() -> Iterable[PreprocessorComponent]:
    """nnU-Net's preprocessing, the only one of nnplug before preprocessors were components."""
    yield PreprocessorComponent(
        "nnunet",
        "nnplug_nnunet.preprocessor:NnunetPreprocessor",
        "transpose, crop to nonzero, normalise, resample; nnU-Net's DefaultPreprocessor",
        takes_previous_stage=True,
        takes_resampler=True,
        implied=True,
    )


@hookimpl
def nnplug_resamplers() -> Iterable[ResamplerComponent]:
    """nnU-Net's three ways to resample; plans that name none mean the first."""
    resamplers = "nnplug_nnunet.resamplers:"
    yield ResamplerComponent("nnunet", f"{resamplers}SplineResampler", "splines; nnU-Net's default")
    yield ResamplerComponent("nnunet-none", f"{resamplers}NoResampler", "images keep their own grid")
    yield ResamplerComponent("nnunet-torch", f"{resamplers}TorchResampler", "linear, by torch on a device")


@hookimpl
def nnplug_normalizers() -> Iterable[NormalizerComponent]:
    """Yield nnU-Net's normalisations."""
    normalizers = "nnplug_nnunet.normalizers:"
    yield NormalizerComponent("ct", f"{normalizers}CT", "clip and scale by the dataset's foreground intensities")
    yield NormalizerComponent("zscore", f"{normalizers}ZScore", "mean 0 and standard deviation 1 of each image")
    yield NormalizerComponent("none", f"{normalizers}Unchanged", "intensities as they are")
    yield NormalizerComponent("rescale-0-1", f"{normalizers}RescaleTo01", "each image's range becomes 0 to 1")
    yield NormalizerComponent("rgb-0-1", f"{normalizers}RGBTo01", "divide by 255")


@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Yield one planning function with four budgets."""
    planning = "nnplug_nnunet.planning:"
    yield PlannerComponent(
        "nnunet", f"{planning}NnunetPlanner", "nnU-Net's rules: plain convolution U-Net, 8 GB", plans_for_memory=True
    )
    yield PlannerComponent(
        "nnunet-resenc-m", f"{planning}ResEncM", "nnU-Net's rules: residual encoder, 8 GB", plans_for_memory=True
    )
    yield PlannerComponent(
        "nnunet-resenc-l", f"{planning}ResEncL", "nnU-Net's rules: residual encoder, 24 GB", plans_for_memory=True
    )
    yield PlannerComponent(
        "nnunet-resenc-xl", f"{planning}ResEncXL", "nnU-Net's rules: residual encoder, 40 GB", plans_for_memory=True
    )


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Yield the networks of nnU-Net v2."""
    networks = "nnplug_nnunet.architectures:"
    yield ArchitectureComponent(
        "plain-conv-unet",
        f"{networks}PlainConvUNet",
        "U-Net of plain convolution blocks, 2D and 3D",
        takes_topology=True,
        has_linear_head=True,
    )
    yield ArchitectureComponent(
        "residual-encoder-unet",
        f"{networks}ResidualEncoderUNet",
        "U-Net with a residual encoder, 2D and 3D",
        takes_topology=True,
        has_linear_head=True,
    )
    yield ArchitectureComponent("primus", f"{networks}Primus", "Primus, a transformer over tokens of 8 voxels, 3D")


@hookimpl
def nnplug_samplers() -> Iterable[SamplerComponent]:
    """Yield nnU-Net's sampling, which its trainer uses if plans name none, and one for rare classes."""
    samplers = "nnplug_nnunet.training.patches.samplers:"
    yield SamplerComponent(
        "nnunet", f"{samplers}NnunetSampler", "cases alike, a third of a batch on foreground", case_index=_CENTRES
    )
    yield SamplerComponent(
        "class-balanced",
        f"{samplers}ClassBalanced",
        "classes alike over all cases, for structures in few cases",
        case_index=_CENTRES,
    )


@hookimpl
def nnplug_losses() -> Iterable[LossComponent]:
    """Yield nnU-Net's losses; its trainer uses the first if plans name none."""
    losses = "nnplug_nnunet.training.losses:"
    offered = {
        "dice-ce": ("DiceCE", "soft Dice plus cross-entropy, nnU-Net's default"),
        "dice": ("Dice", "soft Dice"),
        "ce": ("CE", "cross-entropy, binary for regions"),
        "topk": ("TopK", "cross-entropy of the tenth of the voxels where it is highest"),
        "dice-topk": ("DiceTopK", "soft Dice plus that of the highest tenth"),
    }
    for name, (target, summary) in offered.items():
        yield LossComponent(name, f"{losses}{target}", summary, takes_several_devices=True)


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Yield nnU-Net's training; its variants are options."""
    trainer = "nnplug_nnunet.training.trainer:NnUNetTrainer"
    yield TrainerComponent(
        "nnunet",
        trainer,
        "SGD with poly schedule, Dice and cross-entropy, deep supervision",
        takes_previous_stage=True,
        takes_several_devices=True,
        takes_loss=True,
        takes_sampler=True,
        extends_runs=True,
        rehearses=True,
        case_index=_CENTRES,
    )


@hookimpl
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Yield nnU-Net's random transforms."""
    target = "nnplug_nnunet.augmentation:NnunetAugmenter"
    yield AugmenterComponent(
        "nnunet",
        target,
        "nnU-Net's rotation, scaling, noise, blur, intensities, resolution, mirroring",
        takes_previous_stage=True,
        augments_batches=True,
    )
    yield AugmenterComponent(
        "nnunet-da5",
        "nnplug_nnunet.augmentation:Da5Augmenter",
        "nnU-Net's DA5: more and stronger transforms, also local ones",
        takes_previous_stage=True,
    )


@hookimpl
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Yield nnU-Net's removal of small components."""
    target = "nnplug_nnunet.postprocessor:LargestComponent"
    yield PostprocessorComponent(
        "largest-component",
        target,
        "keeps the largest component of foreground and classes where it helps",
        fits_by_figure=True,
    )


@hookimpl
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Yield nnU-Net's scores and the surface distances."""
    yield MetricComponent(
        "overlap", "nnplug_nnunet.metrics:Overlap", "Dice, IoU and voxel counts, as in nnU-Net's summary"
    )
    yield MetricComponent(
        "surface", "nnplug_nnunet.metrics:Surface", "HD95, ASSD and surface Dice at a tolerance in mm"
    )


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield nnU-Net's default recipe and its residual presets; the default recipe fills what a recipe leaves out."""
    everything = {
        "extractor": "nnunet",
        "planner": "nnunet",
        "preprocessor": "nnunet",
        "augmenter": "nnunet",
        "trainer": "nnunet",
        "postprocessor": "largest-component",
    }
    yield Recipe("nnunet", everything, "nnU-Net 2.8.1's default", default=True)
    yield Recipe("nnunet-resenc-m", {"planner": "nnunet-resenc-m"}, "residual encoder for 8 GB")
    yield Recipe("nnunet-resenc-l", {"planner": "nnunet-resenc-l"}, "residual encoder for 24 GB")
    yield Recipe("nnunet-resenc-xl", {"planner": "nnunet-resenc-xl"}, "residual encoder for 40 GB")
    yield Recipe(
        "nnunet-primus",
        {"architecture": "primus"},
        "Primus, trained as nnU-Net's Primus trainers do; architecture.size is S, B, M or L",
        options={
            "trainer": {
                "optimizer": "adamw",
                "betas": [0.9, 0.98],
                "initial_lr": 3e-4,
                "weight_decay": 0.05,
                "warmup_epochs": 50,
                "gradient_clip": 1.0,
                "deep_supervision": False,
            }
        },
    )


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Yield the commands that exchange models with nnU-Net v2."""
    commands = "nnplug_nnunet.commands:"
    yield PluginCommand(
        "import-nnunet",
        f"{commands}import_nnunet",
        "make a bundle of a model that nnU-Net v2 has trained",
        parent="model",
    )
    yield PluginCommand(
        "export-nnunet", f"{commands}export_nnunet", "write a folder that nnU-Net v2 can predict with", parent="model"
    )
