"""The contract of readers: image files to arrays and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nnplug.arrays import LabelArray
    from nnplug.io.geometry import Geometry


class Reader(Protocol):
    """A component that reads image files of some formats, and writes label maps in these formats.

    Several threads and processes use one reader at the same time.
    """

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """Return the channels (C, z, y, x) of a file, in its units and any dtype of numbers, and their geometry.

        A 2D image is (C, 1, y, x). A label map has one channel.

        Raises:
            InvalidFile: the file is damaged or not an image of this format; the message has its path.
            OSError: the file cannot be opened.
        """
        ...

    def read_geometry(self, path: Path) -> Geometry:
        """Return the geometry that `read` returns, best without reading the voxels; it raises as `read` does."""
        ...

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """Write a label map atomically (`nnplug.runtime.files.atomic_file`), in the place of its image.

        Args:
            path: the file; its ending selects the format.
            array: (z, y, x) in the smallest unsigned integer dtype for its values, which `read` must return exactly.
            geometry: the geometry of the image; of the same shape, and of this reader or another one.

        Raises:
            NnplugError: the format cannot hold the values or the geometry.
            OSError: the file cannot be written.
        """
        ...


class LabelReader(Reader, Protocol):
    """A reader whose entry says `reads_labels`: label maps of some formats are read otherwise than images."""

    def read_label(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """Return a label map (C, z, y, x), such as the indices into a palette; it raises as `read` does."""
        ...


class ImageWriter(Reader, Protocol):
    """A reader whose entry says `writes_images`."""

    def write_image(self, path: Path, array: npt.NDArray[Any], geometry: Geometry) -> None:
        """Write one channel (z, y, x) atomically in its dtype, without sidecar files; it raises as `write_label`."""
        ...


class SidecarReader(Reader, Protocol):
    """A reader whose entry says `has_sidecars`: other files beside the image have a part of it, such as its spacing."""

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """Return the other files that `read` may read, whether they exist or not."""
        ...

    def written_with(self, path: Path) -> tuple[Path, ...]:
        """Return the other files that `write_label` may write."""
        ...

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
        """Write the other files of an image that `write_image` or a copy has put at `path`."""
        ...


@dataclass(frozen=True)
class FoundImage:
    """An image in a folder or an archive.

    Attributes:
        id: the word by which users choose it among the images of the folder, such as a UID.
        path: what `Reader.read` takes: the folder or archive, and a name with the ending of the reader. No file has to
            exist there.
        name: the name of the case if the folder holds this image alone.
        description: one line for a list of images, such as the modality and the number of slices.
    """

    id: str
    path: Path
    name: str
    description: str


class FolderReader(Protocol):
    """A reader whose entry says `reads_folders`: its images are many files in a folder or an archive.

    Several threads and processes use one reader at the same time.
    """

    def find_images(self, folder: Path, orientations: Sequence[str] = ()) -> tuple[FoundImage, ...]:
        """Return the images in a folder, its folders, or an archive; nothing is written.

        Args:
            folder: the folder or archive. One without such images gives an empty tuple.
            orientations: the sides that the axes x, y, z of the images may point to when they are read, such as "RAS".
                An image of another orientation is read with the axes of the first; without any, as it is stored.

        Raises:
            InvalidFile: the archive is damaged or not safe to unpack.
        """
        ...

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`; `path` is that of a `FoundImage`."""
        ...

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`."""
        ...

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """Return the files of an image; of an image in an archive, the archive."""
        ...

    def example(self, folder: Path) -> None:
        """Write a tiny image into a folder, which the conformance kit reads."""
        ...
