"""The components of the core. Every project needs them; the core offers them as a plugin does."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.hookspecs import hookimpl
from nnplug.registry.entries import ExecutorComponent, InferenceComponent, TrackerComponent
from nnplug.registry.reader_entry import ReaderComponent, WriterComponent

_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_FLAT = (".png", ".bmp", ".tif", ".tiff")


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Offer the executor that runs jobs on this machine."""
    target = "nnplug.runtime.executor:LocalExecutor"
    yield ExecutorComponent("local", target, "threads of this machine, one training at a time")


@hookimpl
def nnplug_trackers() -> Iterable[TrackerComponent]:
    """Offer the tracker that needs no server."""
    target = "nnplug.training.trackers.csv_tracker:CsvTracker"
    yield TrackerComponent("csv", target, "epochs and parameters as tables (CSV)")


@hookimpl
def nnplug_inferences() -> Iterable[InferenceComponent]:
    """Offer windows, which every network can be predicted with, and the whole image at once."""
    yield InferenceComponent(
        "sliding-window",
        "nnplug.inference.components.sliding_window:SlidingWindowInference",
        "overlapping windows with Gaussian weights, as in nnU-Net",
        gives_slabs=True,
        implied=True,
    )
    yield InferenceComponent(
        "whole-image",
        "nnplug.inference.components.whole_image:WholeImageInference",
        "one pass over the image, padded to fit",
    )


@hookimpl
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Offer the reader of all files for which no other is named."""
    yield ReaderComponent(
        "simpleitk",
        "nnplug.io.default_reader.simpleitk:SimpleItkReader",
        "all formats of SimpleITK; RGB as channels, 3D tif with the spacing in CASE.json",
        endings=(*_VOLUMES, *_FLAT),
        reads_also=(".jpg", ".jpeg", ".nhdr", ".gipl"),
        dataset_names={
            "SimpleITKIO": _VOLUMES,
            "NibabelIO": (".nii.gz", ".nii"),
            "NaturalImage2DIO": _FLAT,
            "Tiff3DIO": (".tif", ".tiff"),
        },
        writes_images=True,
        reads_labels=True,
        has_sidecars=True,
        implied=True,
    )


@hookimpl
def nnplug_writers() -> Iterable[WriterComponent]:
    """Offer the writer of the format that most programs read."""
    yield WriterComponent(
        "nifti", "nnplug.inference.outputs.nifti_writer:NiftiWriter", "label maps in NIfTI", ending=".nii.gz"
    )
