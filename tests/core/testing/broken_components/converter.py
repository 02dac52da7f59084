"""The converter of the Medical Segmentation Decathlon as the sound one, and converters that break one promise each."""

from __future__ import annotations

import numpy as np

from nnplug.contracts import SourceScan
from nnplug.dataset.case_files import CaseFiles
from nnplug.io.images import Geometry, write_image, write_label
from nnplug_nnunet.converters.decathlon import Decathlon

TEXT = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "organ": 1}, "file_ending": ".nii.gz"}
UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class Sound(Decathlon):
    pass


class Paints(Sound):
    """Writes images of its own instead of those of the source."""

    def convert(self, case, target, values):
        shape = (8, 8, 8)
        geometry = Geometry(shape, (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, UPRIGHT)
        write_image(target.images[0], np.arange(512, dtype=np.float32).reshape(shape), geometry)
        if target.label is not None:
            write_label(target.label, np.arange(512).reshape(shape).astype(np.uint8) % 3, geometry)


class TakesAnything(Sound):
    """Finds a dataset in an empty folder."""

    def scan(self, source, *, executor, progress):
        if (source / "dataset.json").exists():
            return super().scan(source, executor=executor, progress=progress)
        return SourceScan(TEXT, (CaseFiles("a", (source / "a.nii.gz",), source / "b.nii.gz"),))


class Moves(Sound):
    """Takes files away from the source."""

    def convert(self, case, target, values):
        super().convert(case, target, values)
        case.images[0].with_name("seen").touch()
