"""Digests of images are those that sha256sum prints, also of images of many files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import numpy as np
import pytest

from nnplug.inference.outputs.recorded_files import recorded_image, recorded_output
from nnplug.io.readers import Readers
from nnplug.registry.loader import Plugins

SERIES = """
    class Series:
        def read(self, path): ...

        def read_geometry(self, path): ...

        def find_images(self, folder, orientations=()): ...

        def read_with(self, path):
            return tuple(path.parent.glob("*.slice"))

        def example(self, folder): ...

    @hookimpl
    def nnplug_readers():
        yield ReaderComponent("series", f"{__name__}:Series", "", reads_also=(".many",), reads_folders=True,
                              label_ending=".nii.gz")
"""


def test_a_file_has_its_own_digest(write_image, tmp_path):
    image = write_image("a", np.ones((2, 3, 4), np.float32)).images[0]
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert recorded_image(image, Readers.of(Plugins().registry)) == {
        "path": str(image),
        "bytes": image.stat().st_size,
        "sha256": digest,
    }
    assert recorded_output(image, tmp_path)["path"] == "images/a_0000.nii.gz"


def test_an_image_of_many_files_has_the_digest_of_their_digests(install, tmp_path):
    install("nnplug-series", "series", SERIES)
    for number in (2, 10, 1):
        (tmp_path / f"{number:02d}.slice").write_text(str(number))
    found = recorded_image(tmp_path / "one.many", Readers.of(Plugins().registry))
    assert (found["files"], found["bytes"]) == (3, 4)
    if shutil.which("sha256sum") is None:
        pytest.skip("needs sha256sum")
    printed = subprocess.run("sha256sum *.slice | sha256sum", shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert found["sha256"] == printed.stdout.split()[0].decode()
