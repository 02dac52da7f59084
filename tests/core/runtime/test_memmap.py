import pytest
import torch

from nnplug.errors import NnplugError
from nnplug.runtime.memmap import memmapped


def test_nothing_is_seen_or_left_in_the_folder(tmp_path):
    tensor = memmapped((2, 3), tmp_path)
    assert list(tmp_path.iterdir()) == []
    tensor.copy_(torch.arange(6.0).reshape(2, 3))
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NnplugError, match="absent: cannot be written"):
        memmapped((1,), tmp_path / "absent")
