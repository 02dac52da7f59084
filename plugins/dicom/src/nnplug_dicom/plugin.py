"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ConverterComponent, ReaderComponent, WriterComponent, hookimpl


@hookimpl
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Return the reader of series."""
    yield ReaderComponent(
        "dicom",
        "nnplug_dicom.reader:DicomReader",
        "CT, MR and PET series in folders and zip files",
        reads_also=(".dicom",),
        reads_folders=True,
        archives=(".zip", ".dcm"),
        label_ending=".nii.gz",
    )


@hookimpl
def nnplug_writers() -> Iterable[WriterComponent]:
    """Return the writers."""
    yield WriterComponent(
        "dicom-seg", "nnplug_dicom.seg_writer:SegWriter", "DICOM Segmentation of the series", ending=".seg.dcm"
    )
    yield WriterComponent(
        "dicom-rtstruct",
        "nnplug_dicom.rtstruct_writer:RtstructWriter",
        "DICOM RT Structure Set of the series",
        ending=".rtstruct.dcm",
    )


@hookimpl
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Return the converter."""
    yield ConverterComponent(
        "dicom",
        "nnplug_dicom.converter:DicomConverter",
        "a folder or zip per case: a series with a SEG or RTSTRUCT",
    )
