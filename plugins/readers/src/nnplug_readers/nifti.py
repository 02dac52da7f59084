"""3D NIfTI files by nibabel, in the order of the file or turned to RAS axes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError

from nnplug.arrays import LabelArray
from nnplug.contracts import Reader
from nnplug.errors import InvalidFile
from nnplug.io.damaged_files import damage_named
from nnplug.io.default_reader.nibabel_files import place
from nnplug.io.geometry import Geometry
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file

Affine = npt.NDArray[np.float64]

_AFFINE, _STORED = "affine", "stored_affine"
"""Keys in `Geometry.extra`: the affine matrix of the array, and that of the file."""

_TO_LPS = np.diag([-1.0, -1.0, 1.0])
"""nibabel's axes point right, anterior, superior; ITK's, as in `Geometry`, left, posterior, superior."""

_DAMAGED = (ImageFileError, HeaderDataError, EOFError, zlib.error, gzip.BadGzipFile, ValueError)
_DAMAGE = "is no NIfTI file, or truncated ({cause}); copy it again or leave its case out."


class NiftiReader(Reader):
    """A reader of 3D NIfTI files that keeps the order of axes, as nnU-Net's NibabelIO does."""

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        with damage_named(path, _DAMAGED, _DAMAGE):
            image = self._oriented(_load(path))
            return np.asanyarray(image.dataobj).transpose(2, 1, 0)[None], self._geometry(image, path)

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        with damage_named(path, _DAMAGED, _DAMAGE):
            return self._geometry(self._oriented(_load(path)), path)

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """See `Reader.write_label`."""
        if geometry.dimensions != 3:
            raise InvalidFile(f"{path}: the reader of nibabel writes 3D label maps; choose the reader 'simpleitk'")
        affine = _own_affine(geometry)
        image = nibabel.Nifti1Image(array.transpose(2, 1, 0), affine)
        with atomic_file(path) as temporary:
            nibabel.save(self._restored(image, geometry), temporary)

    def _oriented(self, image: Any) -> Any:
        """Return the image with the axes that `read` returns."""
        return image

    def _restored(self, image: Any, geometry: Geometry) -> Any:  # noqa: ARG002
        """Return a label map with the axes of the file that `geometry` was read from."""
        return image

    def _geometry(self, image: Any, path: Path) -> Geometry:
        x, y, z = image.shape
        zooms = [float(zoom) for zoom in image.header.get_zooms()]
        placement = place(image)
        return Geometry(
            shape=(z, y, x),
            spacing=(zooms[2], zooms[1], zooms[0]),
            file_spacing=tuple(zooms),
            origin=placement.origin,
            direction=placement.direction,
            extra={_AFFINE: image.affine.tolist(), **self._stored(image, path)},
            remarks=placement.remarks,
        )

    def _stored(self, image: Any, path: Path) -> dict[str, Any]:  # noqa: ARG002
        """Return further values of `Geometry.extra`."""
        return {}


class ReorientedNiftiReader(NiftiReader):
    """A reader of 3D NIfTI files that turns them to RAS axes, and label maps back, as nnU-Net's does."""

    def _oriented(self, image: Any) -> Any:
        if not place(image).has_directions:
            raise ValueError("its header has no directions to turn it by; choose the reader 'nibabel'")
        return image.as_reoriented(io_orientation(image.affine))

    def _stored(self, image: Any, path: Path) -> dict[str, Any]:  # noqa: ARG002
        return {_STORED: nibabel.load(path).affine.tolist()}

    def _restored(self, image: Any, geometry: Geometry) -> Any:
        if _STORED not in geometry.extra:
            return image
        stored = io_orientation(np.array(geometry.extra[_STORED]))
        return image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), stored))


def _load(path: Path) -> Any:
    image: Any = nibabel.load(path)
    if image.ndim != 3:
        raise InvalidFile(
            f"{path}: has size {image.shape}; nibabel's reader takes 3D images, 'simpleitk' others.", Action.VERIFY()
        )
    return image


def _own_affine(geometry: Geometry) -> Affine:
    """Return the affine matrix of the image, or one made of the geometry where nibabel could not write the image's."""
    own = np.array(geometry.extra[_AFFINE]) if _AFFINE in geometry.extra else None
    return _affine(geometry) if own is None or np.linalg.det(own) == 0 else own


def _affine(geometry: Geometry) -> Affine:
    """Return the affine matrix of a geometry that another reader made."""
    affine = np.eye(4)
    affine[:3, :3] = _TO_LPS @ np.reshape(geometry.direction, (3, 3)) @ np.diag(geometry.file_spacing)
    affine[:3, 3] = _TO_LPS @ np.array(geometry.origin)
    return affine
