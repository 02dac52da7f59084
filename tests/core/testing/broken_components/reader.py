"""A sound reader of npy files with a JSON beside, and readers that break one promise each."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from nnplug.contracts import FoundImage
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.geometry import Geometry
from nnplug.runtime.files import atomic_file


class Sound:
    def read(self, path):
        array = self.load(path)
        return array[None], self.place(path, array)

    def read_geometry(self, path):
        return self.place(path, self.load(path))

    def load(self, path):
        try:
            return np.load(path)
        except (ValueError, EOFError) as error:
            raise InvalidFile(f"{path}: is no npy file") from error

    def place(self, path, array):
        place = json.loads(path.with_suffix(".json").read_text())
        return Geometry(array.shape, *(tuple(place[key]) for key in ("spacing", "file", "origin", "direction")))

    def write_label(self, path, array, geometry):
        self.write_image(path, array, geometry)
        self.write_sidecars(path, geometry)

    def write_image(self, path, array, geometry):
        if geometry.dimensions == 2:
            raise NnplugError(f"{path}: volumes only")
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, array)

    def write_sidecars(self, path, geometry):
        place = {
            "spacing": geometry.spacing,
            "file": geometry.file_spacing,
            "origin": geometry.origin,
            "direction": geometry.direction,
        }
        with atomic_file(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(place))

    def read_with(self, path):
        return (path.with_suffix(".json"),)

    def written_with(self, path):
        return self.read_with(path)


class SwapsAxes(Sound):
    def read(self, path):
        array = np.swapaxes(self.load(path), 1, 2)
        return array[None], self.place(path, array)


class LosesLargeLabels(Sound):
    def write_label(self, path, array, geometry):
        super().write_label(path, array.astype(np.uint8), geometry)


class ForgetsSpacing(Sound):
    def place(self, path, array):
        where = super().place(path, array)
        return Geometry(where.shape, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), where.origin, where.direction)


class Guesses(Sound):
    def read_geometry(self, path):
        where = super().read_geometry(path)
        return Geometry(where.shape, (1.0, 1.0, 1.0), where.file_spacing, where.origin, where.direction)


class InPlace(Sound):
    def write_image(self, path, array, geometry):
        if geometry.dimensions == 2:
            raise NnplugError(f"{path}: volumes only")
        with path.open("wb") as file:
            np.save(file, array)


class Secretive(Sound):
    def write_label(self, path, array, geometry):
        super().write_label(path, array, geometry)
        if path.exists():
            path.with_suffix(".log").write_text("written")


class Trusting(Sound):
    def load(self, path):
        try:
            return super().load(path)
        except InvalidFile:
            return np.zeros((5, 6, 7), np.uint8)


class Anonymous(Sound):
    def load(self, path):
        try:
            return super().load(path)
        except InvalidFile as error:
            raise InvalidFile("a file is damaged") from error


class Local(Sound):
    def __init__(self):
        self.log = lambda line: None


class Rounds(Sound):
    def write_label(self, path, array, geometry):
        Sound.write_image(self, path, array, geometry)
        self.write_sidecars(path, geometry)

    def write_image(self, path, array, geometry):
        super().write_image(path, array // 4 * 4, geometry)


class SoundFolders:
    """A folder of slices NUMBER.npy of 4 x 5 voxels."""

    def example(self, folder):
        for number in range(3):
            np.save(folder / f"{number}.npy", np.arange(20).reshape(4, 5) + 20 * number)

    def find_images(self, folder, orientations=()):
        if not list(folder.glob("*.npy")):
            return ()
        turned = orientations[0] if orientations and "LPS" not in orientations else "LPS"
        return (FoundImage("only", folder / f"{turned}.slices", folder.name, "3 slices"),)

    def read(self, path):
        image = sitk.GetImageFromArray(np.stack([self.load(file) for file in self.read_with(path)]))
        turned = sitk.DICOMOrient(image, path.name.partition(".")[0])
        array, spacing = sitk.GetArrayFromImage(turned), turned.GetSpacing()
        return array[None], Geometry(array.shape, spacing[::-1], spacing, turned.GetOrigin(), turned.GetDirection())

    def load(self, file):
        try:
            return np.load(file)
        except (ValueError, EOFError) as error:
            raise InvalidFile(f"{file}: is no npy file") from error

    def read_geometry(self, path):
        return self.read(path)[1]

    def read_with(self, path):
        return tuple(sorted(path.parent.glob("*.npy")))


class OneId(SoundFolders):
    def find_images(self, folder, orientations=()):
        return super().find_images(folder, orientations) * 2


class OtherFolder(SoundFolders):
    def find_images(self, folder, orientations=()):
        found = super().find_images(folder, orientations)
        return tuple(replace(one, path=folder.with_name(folder.name + "2") / one.path.name) for one in found)

    def read_with(self, path):
        return tuple(sorted((path.parents[1] / path.parent.name[:-1]).glob("*.npy")))


class AlwaysFinds(SoundFolders):
    def find_images(self, folder, orientations=()):
        return super().find_images(folder, orientations) or (FoundImage("x", folder / "LPS.slices", "x", ""),)


class NeverTurns(SoundFolders):
    def find_images(self, folder, orientations=()):
        return super().find_images(folder)


class AlwaysTurns(SoundFolders):
    def find_images(self, folder, orientations=()):
        return super().find_images(folder, orientations[:1])


class TrustingFolders(SoundFolders):
    def load(self, file):
        try:
            return super().load(file)
        except InvalidFile:
            return np.zeros((4, 5), int)


class NamesNoFiles(SoundFolders):
    def read(self, path):
        return SoundFolders().read(path)

    def read_with(self, path):
        return (path,)
