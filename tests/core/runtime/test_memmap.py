import errno
import os

import numpy as np
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


def test_where_files_cannot_be_mapped_the_tensor_is_in_memory(tmp_path, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionError(errno.EACCES, "access denied")

    monkeypatch.setattr(np, "memmap", deny)
    assert memmapped((2, 3), tmp_path).shape == (2, 3)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take space on a disk in advance")
def test_a_full_disk_is_told_before_the_tensor_is_filled(tmp_path, monkeypatch):
    wanted = []

    def full(file, offset, size):
        wanted.append(size)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NnplugError, match="cannot be written .No space left on device.. Free some space"):
        memmapped((2, 3), tmp_path)
    assert wanted == [24]


def test_a_disk_that_takes_no_space_in_advance_serves_too(tmp_path, monkeypatch):
    def unsupported(file, offset, size):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    assert memmapped((2, 3), tmp_path).tolist() == [[0, 0, 0], [0, 0, 0]]
