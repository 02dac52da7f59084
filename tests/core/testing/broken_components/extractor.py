"""nnU-Net's extractor as the sound one, and extractors that break one promise each."""

from __future__ import annotations

import msgspec

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import read_geometry
from nnplug.testing import samples
from nnplug_nnunet.extractor import NnunetExtractor


class Sound(NnunetExtractor):
    pass


class NeverReads(Sound):
    """Gives a fingerprint that looks well."""

    def extract(self, dataset, *, executor, progress):
        return samples.fingerprint((1.0, 1.0, 1.0), (8, 8, 8))


class ReadsHeaders(Sound):
    """Reads sizes and invents intensities."""

    def extract(self, dataset, *, executor, progress):
        fingerprint = samples.fingerprint((1.0, 1.0, 1.0), (8, 8, 8))
        spacings = tuple(read_geometry(case.images[0]).spacing for case in dataset.training_cases())
        return msgspec.structs.replace(fingerprint, spacings=spacings)


class SkipsLast(Sound):
    """Measures all cases but the last, and says that it is like the first."""

    def extract(self, dataset, *, executor, progress):
        fingerprint = super().extract(
            ButLast(dataset.folder, dataset.description), executor=executor, progress=progress
        )
        doubled = {key: (*getattr(fingerprint, key), getattr(fingerprint, key)[0]) for key in PER_CASE}
        return msgspec.structs.replace(fingerprint, **doubled)


PER_CASE = ("spacings", "shapes_after_crop")


class ButLast(Dataset):
    def training_cases(self):
        return super().training_cases()[:-1]


class Touches(Sound):
    """Leaves a note in the folder of the dataset."""

    def extract(self, dataset, *, executor, progress):
        (dataset.folder / "measured").touch()
        return super().extract(dataset, executor=executor, progress=progress)
