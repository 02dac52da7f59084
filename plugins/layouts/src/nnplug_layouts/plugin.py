"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ConverterComponent, WriterComponent, hookimpl


@hookimpl
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Return the converters."""
    yield ConverterComponent(
        "datalist",
        "nnplug_layouts.datalist:Datalist",
        "a MONAI datalist: a JSON file that lists images, label maps and folds",
        source_ending=".json",
    )
    yield ConverterComponent(
        "bids", "nnplug_layouts.bids:Bids", "a BIDS dataset with label maps (dseg) in a derivative"
    )


@hookimpl
def nnplug_writers() -> Iterable[WriterComponent]:
    """Return the writers."""
    yield WriterComponent(
        "bids",
        "nnplug_layouts.bids_writer:BidsWriter",
        "a BIDS derivative: sub-01/anat/sub-01_space-orig_desc-nnplug_dseg.nii.gz",
        writes_dataset=True,
    )
