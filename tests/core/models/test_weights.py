"""Weights of anybody: a damaged file is one line that names it."""

import struct

import pytest
import torch
from safetensors.torch import save_file

from nnplug.errors import InvalidFile
from nnplug.models.weights import read_weights


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:20],
        lambda data: struct.pack("<Q", 2**63) + data[8:],
        lambda data: data.replace(b"F32", b"F99"),
        lambda data: data.replace(b'"shape":[2]', b'"shape":[9]'),
        lambda data: b"",
    ],
)
def test_damage_is_one_line(change, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file({"w": torch.ones(2)}, file)
    assert read_weights(file)["w"].tolist() == [1, 1]
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(InvalidFile, match=r"weights\.safetensors: cannot be read as safetensors"):
        read_weights(file)
