"""The entries of readers and writers, which say which formats these read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from nnplug.errors import InvalidPlugin
from nnplug.registry.base_entry import Component, Kind, promises


@dataclass(frozen=True)
class ReaderComponent(Component):
    """An entry of `nnplug_readers`.

    Attributes:
        endings: the endings of files that the reader reads, and writes as label maps: in lower case with the leading
            dot, such as ".nii.gz".
        reads_also: further endings of files that it only reads; datasets cannot have them, but can be made of them.
        dataset_names: another framework's name for a reader, in `overwrite_image_reader_writer` of `dataset.json` ->
            the endings for which this reader returns the same arrays and spacings.
        writes_images: whether the class has `write_image` of `nnplug.contracts.ImageWriter`, which converters need.
        reads_labels: whether the class has `read_label` of `nnplug.contracts.LabelReader`, for formats whose label maps
            are read otherwise than images.
        has_sidecars: whether the class has the methods of `nnplug.contracts.SidecarReader`.
        reads_folders: whether its images are in folders and archives, such as DICOM series; the class then has the
            methods of `nnplug.contracts.FolderReader`. `endings` is empty, and `reads_also` has the ending of the paths
            that it gives its images.
        stores_folders: whether images of its endings are folders, such as CASE_0000.ome.zarr. Label maps are written as
            a whole by `nnplug.runtime.files.atomic_folder`, and `read_with` names the files in the folder.
        archives: the endings of files that it finds images in, as in folders, such as ".zip".
        label_ending: the ending of label maps predicted from its images; empty if they have the ending of the image.
        implied: whether files are read by this reader where no reader is named. Only the core's reader has True.
    """

    kind = Kind.READER

    _: KW_ONLY
    endings: tuple[str, ...] = ()
    reads_also: tuple[str, ...] = ()
    dataset_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    writes_images: bool = field(default=False, metadata=promises("write_image"))
    reads_labels: bool = field(default=False, metadata=promises("read_label"))
    has_sidecars: bool = field(default=False, metadata=promises("read_with", "written_with", "write_sidecars"))
    reads_folders: bool = field(default=False, metadata=promises("find_images", "example", "read_with"))
    stores_folders: bool = False
    archives: tuple[str, ...] = ()
    label_ending: str = ""
    implied: bool = False

    def reads_as(self, name: str, ending: str) -> bool:
        """Return whether the reader has this name, or stands for another framework's reader of this name and ending."""
        return name == self.name or ending.lower() in self.dataset_names.get(name, ())

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the endings are valid."""
        super().__post_init__()
        lists = {"endings": self.endings, "reads_also": self.reads_also, "archives": self.archives}
        for what, endings in {**lists, **self.dataset_names}.items():
            if not isinstance(endings, tuple) or not all(map(is_ending, endings)):
                raise InvalidPlugin(
                    f"{what} of component {self.name!r} is {endings!r}; expected lower-case endings with a dot, such "
                    'as (".nii.gz", ".nii")'
                )
        if self.stores_folders and not (self.endings and self.has_sidecars):
            raise InvalidPlugin(
                f"component {self.name!r} says stores_folders; expected endings and has_sidecars=True, since read_with "
                "names the files of an image"
            )
        if self.reads_folders:
            self._check_folders()
        elif not self.endings:
            raise InvalidPlugin(f"endings of component {self.name!r} is empty; name a file ending that it reads")

    def _check_folders(self) -> None:
        if self.endings or len(self.reads_also) != 1 or not is_ending(self.label_ending):
            raise InvalidPlugin(
                f"component {self.name!r} says reads_folders; expected no endings, one ending in reads_also, which the "
                'paths of its images have, and a label_ending, such as ".nii.gz"'
            )


@dataclass(frozen=True)
class WriterComponent(Component):
    """An entry of `nnplug_writers`.

    Attributes:
        ending: the ending of the files that the writer writes, in lower case with the leading dot. A prediction of a
            case is written to CASE with this ending. It is empty for a writer of datasets.
        writes_dataset: whether a case has several files, or cases share files; the class then has the methods of
            `nnplug.contracts.DatasetWriter`, which name them.
    """

    kind = Kind.WRITER

    _: KW_ONLY
    ending: str = ""
    writes_dataset: bool = field(default=False, metadata=promises("files", "shared_files", "shared"))

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the ending are valid."""
        super().__post_init__()
        if self.writes_dataset and self.ending:
            raise InvalidPlugin(
                f"component {self.name!r} says writes_dataset and has the ending {self.ending!r}; its files are those "
                "that the class names, so leave out the ending"
            )
        if not self.writes_dataset and not is_ending(self.ending):
            raise InvalidPlugin(
                f"ending of component {self.name!r} is {self.ending!r}; expected lower case with a dot, such as .nii.gz"
            )


def is_ending(ending: Any) -> bool:
    """Return whether a value is the ending of a file name in lower case with the leading dot."""
    return isinstance(ending, str) and ending == ending.lower() and ending[:1] == "." and len(ending) > 1
