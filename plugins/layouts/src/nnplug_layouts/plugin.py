"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ConverterComponent, hookimpl


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
