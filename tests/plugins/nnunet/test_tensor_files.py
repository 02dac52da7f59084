"""A full disk is an OSError, whatever writes the tensors."""

import errno
import os

import pytest
import torch
from safetensors.torch import load_file

from nnplug_nnunet import tensor_files
from nnplug_nnunet.tensor_files import save_checkpoint, save_tensors

TENSORS = {"a": torch.arange(100_000.0), "b": torch.tensor([], dtype=torch.float32)}


def test_both_write_what_is_read_again(tmp_path):
    save_tensors(TENSORS, tmp_path / "x.safetensors")
    save_checkpoint({"network": TENSORS, "epoch": 3}, tmp_path / "x.pt")
    read = torch.load(tmp_path / "x.pt", weights_only=True)
    assert read["epoch"] == 3
    for found in (load_file(tmp_path / "x.safetensors"), read["network"]):
        assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_a_disk_that_fills_up_while_a_checkpoint_is_written_is_an_os_error(tmp_path, monkeypatch):
    write, room = os.write, [50_000]

    def until_full(descriptor, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(tensor_files.os, "write", until_full)
    with pytest.raises(OSError, match="No space left on device"):
        save_checkpoint(TENSORS, tmp_path / "x.pt")


def test_an_error_of_safetensors_with_a_number_is_that_of_the_disk(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="No such file or directory") as error:
        save_tensors(TENSORS, tmp_path / "absent" / "x.safetensors")
    assert error.value.errno == errno.ENOENT
    monkeypatch.setattr(tensor_files, "save_file", _refuses)
    with pytest.raises(tensor_files.SafetensorError, match="shape"):
        save_tensors(TENSORS, tmp_path / "x.safetensors")


def _refuses(tensors, path):
    raise tensor_files.SafetensorError("a shape is wrong")
