"""Errors of the operating system name the file at fault."""

from __future__ import annotations

import errno

import pytest

from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_file, atomic_folder, copy_file


def test_a_source_that_is_gone_is_named_and_not_the_disk_of_the_target(tmp_path):
    target = tmp_path / "new" / "weights"
    with pytest.raises(NnplugError) as error:
        copy_file(tmp_path / "gone", target)
    assert str(error.value) == (
        f"{tmp_path / 'gone'}: cannot be used (No such file or directory), so that {target} is not written. "
        "Check that it is there and that you may read it, then run the same command again."
    )
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_the_targets(tmp_path):
    target = tmp_path / "weights"
    message = rf"^{target}: cannot be written \(No space left.*\). Free some space"
    with pytest.raises(NnplugError, match=message), atomic_file(target) as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    with pytest.raises(NnplugError, match=message), atomic_folder(target) as folder:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "fold_0"))


def test_a_file_where_the_folder_should_be_is_the_targets(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NnplugError, match="cannot be written .*A file is where a folder should be"):
        copy_file(tmp_path / "file", tmp_path / "file" / "weights")
