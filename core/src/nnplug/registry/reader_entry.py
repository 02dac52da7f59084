"""The entry of a reader of image files, which says which formats it reads."""

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
        implied: whether files are read by this reader where no reader is named. Only the core's reader has True.
    """

    kind = Kind.READER

    _: KW_ONLY
    endings: tuple[str, ...]
    reads_also: tuple[str, ...] = ()
    dataset_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    writes_images: bool = field(default=False, metadata=promises("write_image"))
    reads_labels: bool = field(default=False, metadata=promises("read_label"))
    has_sidecars: bool = field(default=False, metadata=promises("read_with", "written_with", "write_sidecars"))
    implied: bool = False

    def reads_as(self, name: str, ending: str) -> bool:
        """Return whether the reader has this name, or stands for another framework's reader of this name and ending."""
        return name == self.name or ending.lower() in self.dataset_names.get(name, ())

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the endings are valid."""
        super().__post_init__()
        lists = {"endings": self.endings, "reads_also": self.reads_also, **self.dataset_names}
        for what, endings in lists.items():
            if not isinstance(endings, tuple) or not all(map(_is_ending, endings)):
                raise InvalidPlugin(
                    f"{what} of component {self.name!r} is {endings!r}; expected lower-case endings with a dot, such "
                    'as (".nii.gz", ".nii")'
                )
        if not self.endings:
            raise InvalidPlugin(f"endings of component {self.name!r} is empty; name a file ending that it reads")


def _is_ending(ending: Any) -> bool:
    return isinstance(ending, str) and ending == ending.lower() and ending[:1] == "." and len(ending) > 1
