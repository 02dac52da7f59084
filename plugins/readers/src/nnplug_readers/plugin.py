"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ReaderComponent, hookimpl

_NIFTI = (".nii.gz", ".nii")
_TIFF = (".tif", ".tiff")


@hookimpl
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Return the readers."""
    yield ReaderComponent(
        "simpleitk-reoriented",
        "nnplug_readers.reoriented:ReorientedReader",
        "3D images by SimpleITK, turned to RAS axes",
        endings=(*_NIFTI, ".nrrd", ".mha"),
        dataset_names={"SimpleITKIOWithReorient": (*_NIFTI, ".nrrd", ".mha")},
    )
    yield ReaderComponent(
        "nibabel",
        "nnplug_readers.nifti:NiftiReader",
        "3D NIfTI by nibabel",
        endings=_NIFTI,
        dataset_names={"NibabelIO": _NIFTI},
    )
    yield ReaderComponent(
        "nibabel-reoriented",
        "nnplug_readers.nifti:ReorientedNiftiReader",
        "3D NIfTI by nibabel, turned to RAS axes",
        endings=_NIFTI,
        dataset_names={"NibabelIOWithReorient": _NIFTI},
    )
    yield ReaderComponent(
        "tifffile",
        "nnplug_readers.tiff:TiffReader",
        "3D TIFF stacks; spacing from CASE.json, or from the file's tags",
        endings=_TIFF,
        has_sidecars=True,
    )
    yield ReaderComponent(
        "tifffile-sidecar",
        "nnplug_readers.tiff:SidecarTiffReader",
        "3D TIFF stacks; spacing from CASE.json, else 1 mm",
        endings=_TIFF,
        dataset_names={"Tiff3DIO": _TIFF},
        has_sidecars=True,
    )
