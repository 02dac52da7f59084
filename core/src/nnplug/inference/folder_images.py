"""Choose among the images that readers find in folders and archives, such as the DICOM series of a study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, Line, Problems
from nnplug.io.reader import FoundImage
from nnplug.io.readers import Readers
from nnplug.models.open import Model
from nnplug.registry.attribution import attributed, expect
from nnplug.remedies import Action


@dataclass(frozen=True)
class ImageChoice:
    """The images to take from folders and archives, and the orientation to read them in.

    Attributes:
        ids: the ids of images to take; a folder with a single image needs none.
        orientations: those of the training images, the most frequent first, see `training_orientations`.
    """

    ids: tuple[str, ...] = ()
    orientations: tuple[str, ...] = ()

    def images_in(self, folder: Path, readers: Readers) -> tuple[FoundImage, ...]:
        """Return the images to take from a folder or archive; none if no reader finds any.

        Raises:
            InvalidFile: an archive has no images, is damaged, or is not safe to unpack.
            Problems: there are several images and none is chosen; a line each.
        """
        looked = False
        for reader in readers.folder_readers(folder):
            looked = True
            with attributed(reader):
                found = expect(reader, reader.find_images(folder, self.orientations), tuple)
            if found:
                return self._chosen(folder, found)
        if looked and not folder.is_dir():
            raise InvalidFile(f"{folder}: holds no image that nnplug reads; it {readers.known_endings}")
        return ()

    def _chosen(self, folder: Path, found: Sequence[FoundImage]) -> tuple[FoundImage, ...]:
        chosen = tuple(image for image in found if image.id in self.ids)
        if chosen or len(found) == 1:
            return chosen or tuple(found)
        head = Line(f"{folder}: holds {len(found)} image series", Action.CHOOSE_IMAGES())
        raise Problems([head, *(f"  {image.id}: {image.description}" for image in found)])

    def missing(self, found: Iterable[FoundImage]) -> tuple[str, ...]:
        """Return a line for each chosen id that no folder has."""
        there = {image.id for image in found}
        return tuple(f"{one}: no input has an image series with this id" for one in self.ids if one not in there)


def training_orientations(model: Model) -> tuple[str, ...]:
    """Return the orientations of the training images of a model, the most frequent first; none if they are unknown."""
    counts = model.plans.orientations or {}
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def cases_of(found: Sequence[FoundImage], readers: Readers) -> tuple[CaseFiles, ...]:
    """Return the cases of images: folders CASE_0000, CASE_0001 .. are channels of one case, others a case each.

    Several images of one folder are called NAME_ID.
    """
    images = dict.fromkeys(found)
    names = [image.name for image in images]
    named = {f"{i.name}_{i.id}" if names.count(i.name) > 1 else i.name: i.path for i in images}
    channels: dict[str, dict[int, Path]] = {}
    for name, path in named.items():
        if match := re.fullmatch(r"(.+)_([0-9]{4})", name):
            channels.setdefault(match[1], {})[int(match[2])] = path
    joined = {stem: paths for stem, paths in channels.items() if sorted(paths) == list(range(len(paths)))}
    parts = {path for paths in joined.values() for path in paths.values()}
    cases = [CaseFiles(name, tuple(p[i] for i in sorted(p)), readers=readers) for name, p in joined.items()]
    cases += [CaseFiles(name, (path,), readers=readers) for name, path in named.items() if path not in parts]
    return tuple(cases)
