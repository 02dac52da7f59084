"""The entries of this package: one component of every kind, and the recipe that names them."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import (
    AcceleratorComponent,
    ArchitectureComponent,
    AugmenterComponent,
    ConverterComponent,
    ExecutorComponent,
    ExtractorComponent,
    HubComponent,
    InferenceComponent,
    LossComponent,
    MetricComponent,
    NormalizerComponent,
    PlannerComponent,
    PluginCommand,
    PostprocessorComponent,
    PreprocessorComponent,
    ReaderComponent,
    Recipe,
    ReporterComponent,
    ResamplerComponent,
    SamplerComponent,
    TrackerComponent,
    TrainerComponent,
    WriterComponent,
    hookimpl,
)


@hookimpl
def nnplug_extractors() -> Iterable[ExtractorComponent]:
    """Return the extractor."""
    yield ExtractorComponent("foreign", "nnplug_foreign.extractor:SampledExtractor", "spacings, shapes, intensities")


@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Return the planner."""
    yield PlannerComponent(
        "foreign",
        "nnplug_foreign.planner:BudgetPlanner",
        "patches that fit a memory budget; 'planes' and 'volume'",
        plans_for_memory=True,
    )


@hookimpl
def nnplug_preprocessors() -> Iterable[PreprocessorComponent]:
    """Return the preprocessor."""
    yield PreprocessorComponent(
        "foreign-whole", "nnplug_foreign.preprocessor:WholeImage", "whole images, resampled", takes_resampler=True
    )


@hookimpl
def nnplug_resamplers() -> Iterable[ResamplerComponent]:
    """Return the resampler."""
    yield ResamplerComponent("foreign-nearest", "nnplug_foreign.resampler:Nearest", "nearest voxels")


@hookimpl
def nnplug_normalizers() -> Iterable[NormalizerComponent]:
    """Return the normalizer."""
    yield NormalizerComponent("foreign-range", "nnplug_foreign.normalizer:Range", "percentiles to 0 and 1")


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Return the network."""
    yield ArchitectureComponent(
        "foreign-dilated",
        "nnplug_foreign.architecture:DilatedStack",
        "dilated convolutions at full resolution, 2D and 3D",
        has_linear_head=True,
    )


@hookimpl
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Return the augmenter."""
    yield AugmenterComponent("foreign-flips", "nnplug_foreign.augmenter:Flips", "mirrors patches")


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Return the trainer."""
    yield TrainerComponent(
        "foreign-adam",
        "nnplug_foreign.trainer:AdamTrainer",
        "Adam on random patches, in rounds",
        takes_loss=True,
        takes_sampler=True,
        takes_unlabelled=True,
        rehearses=True,
        case_index="nnplug_foreign.case_index:Foreground",
    )


@hookimpl
def nnplug_samplers() -> Iterable[SamplerComponent]:
    """Return the sampler."""
    yield SamplerComponent(
        "foreign-turns",
        "nnplug_foreign.sampler:Turns",
        "the samples of a batch come from cases that differ",
        case_index="nnplug_foreign.case_index:Foreground",
    )


@hookimpl
def nnplug_losses() -> Iterable[LossComponent]:
    """Return the loss."""
    yield LossComponent("foreign-squares", "nnplug_foreign.loss:SquaredError", "squared errors of probabilities")


@hookimpl
def nnplug_inferences() -> Iterable[InferenceComponent]:
    """Return the inference."""
    yield InferenceComponent("foreign-tiles", "nnplug_foreign.inference:Tiles", "patches side by side")


@hookimpl
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Return the postprocessor."""
    yield PostprocessorComponent(
        "foreign-specks", "nnplug_foreign.postprocessor:RemoveSpecks", "removes what is smaller than any reference"
    )


@hookimpl
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Return the metric."""
    yield MetricComponent("foreign-volume", "nnplug_foreign.metric:VolumeError", "difference of volumes, ml")


@hookimpl
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Return the converter."""
    yield ConverterComponent("foreign-folders", "nnplug_foreign.converter:PatientFolders", "a folder per patient")


@hookimpl
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Return the reader."""
    yield ReaderComponent(
        "foreign-npy",
        "nnplug_foreign.reader:NpyReader",
        "CASE.npy with its place in CASE.json",
        endings=(".npy",),
        has_sidecars=True,
    )


@hookimpl
def nnplug_writers() -> Iterable[WriterComponent]:
    """Return the writer."""
    yield WriterComponent(
        "foreign-volumes", "nnplug_foreign.writer:Volumes", "the volume of each class, ml", ending=".volumes.json"
    )


@hookimpl
def nnplug_trackers() -> Iterable[TrackerComponent]:
    """Return the tracker."""
    yield TrackerComponent("foreign-diary", "nnplug_foreign.tracker:Diary", "a line of text per epoch")


@hookimpl
def nnplug_reporters() -> Iterable[ReporterComponent]:
    """Return the reporter."""
    yield ReporterComponent("foreign-notes", "nnplug_foreign.reporter:Notes", "a line of text per fold")


@hookimpl
def nnplug_hubs() -> Iterable[HubComponent]:
    """Return the hub."""
    yield HubComponent("foreign-shelf", "nnplug_foreign.hub:Shelf", "bundles in folders of this machine")


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Return the executor."""
    yield ExecutorComponent("foreign-loop", "nnplug_foreign.executor:Loop", "one job after the other in this thread")


@hookimpl
def nnplug_accelerators() -> Iterable[AcceleratorComponent]:
    """Return the accelerator."""
    yield AcceleratorComponent(
        "foreign-channels-last", "nnplug_foreign.accelerator:ChannelsLast", "2D weights in the order that CPUs prefer"
    )


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the command."""
    yield PluginCommand("foreign-volumes", "nnplug_foreign.commands:volumes", "volumes of labels, ml")


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Return the recipe of this package, the default one where no other plugin offers a default."""
    yield Recipe(
        "foreign",
        {
            "extractor": "foreign",
            "planner": "foreign",
            "preprocessor": "foreign-whole",
            "normalizer": "foreign-range",
            "architecture": "foreign-dilated",
            "augmenter": "foreign-flips",
            "trainer": "foreign-adam",
            "inference": "foreign-tiles",
            "postprocessor": "foreign-specks",
        },
        "all of this package",
        default=True,
    )
