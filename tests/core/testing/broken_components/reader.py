"""A sound reader of npy files with a JSON beside, and readers that break one promise each."""

from __future__ import annotations

import json

import numpy as np

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
