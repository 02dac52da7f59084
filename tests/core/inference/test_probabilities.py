"""Probabilities in npz files of anybody: what is not as its header says is named before room is made for it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from nnplug.errors import InvalidFile
from nnplug.inference.probabilities import read_probabilities

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)


def write(path, change):
    array = io.BytesIO()
    np.save(array, VALUES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("probabilities.npy", change(array.getvalue()))
    return path


def test_what_numpy_writes_is_read(tmp_path):
    found = read_probabilities(write(tmp_path / "a.npz", lambda data: data), tmp_path)
    assert np.array_equal(found.values.numpy(), VALUES)


FAULTS = {
    "huge": (lambda data: data.replace(b"(2, 3, 2, 2), }    ", b"(2, 3, 2, 99999), }"), "not those of the shape"),
    "empty": (lambda data: data.replace(b"(2, 3, 2, 2)", b"(0, 3, 2, 2)"), "not those of the shape"),
    "cut short": (lambda data: data[:-4], "not those of the shape"),
    "no header": (lambda data: data.replace(b"}", b" "), "EOF in multi-line statement"),
}


@pytest.mark.parametrize(("change", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_with_the_file(change, words, tmp_path):
    path = write(tmp_path / "a.npz", change)
    with pytest.raises(InvalidFile, match=rf"a\.npz: cannot be read as probabilities \(.*{words}"):
        read_probabilities(path, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
