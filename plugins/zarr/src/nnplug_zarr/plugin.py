"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ReaderComponent, WriterComponent, hookimpl


@hookimpl
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Return the readers."""
    yield ReaderComponent(
        "ome-zarr",
        "nnplug_zarr.reader:OmeZarrReader",
        "OME-Zarr images, NGFF 0.1 to 0.5: the finest level, channels by name, spacing in mm",
        endings=(".ome.zarr", ".zarr"),
        writes_images=True,
        has_sidecars=True,
        stores_folders=True,
        label_ending=".nii.gz",  # one file, which other programs read and every command can compare and replace
    )


@hookimpl
def nnplug_writers() -> Iterable[WriterComponent]:
    """Return the writers."""
    yield WriterComponent(
        "ome-zarr",
        "nnplug_zarr.writer:OmeZarrWriter",
        "label maps in OME-Zarr: CASE.ome.zarr/labels/nnplug",
        writes_dataset=True,
    )
