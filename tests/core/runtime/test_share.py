"""Files of libraries that make them private get the permissions of other new files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from nnplug.runtime.files import give_default_permissions


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("mask", ["022", "002", "077"])
def test_weights_have_the_permissions_of_other_files(mask, tmp_path):
    script = (
        f"import os; os.umask(0o{mask}); from pathlib import Path; import torch; "
        "from nnplug_nnunet.training.checkpoint import save_weights; "
        "save_weights(torch.nn.Linear(2, 2), Path('w.safetensors')); Path('other').touch()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert mode(tmp_path / "w.safetensors") == mode(tmp_path / "other") == 0o666 & ~int(mask, 8)


def test_nothing_else_is_left_in_the_folder(tmp_path):
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors")
    give_default_permissions(tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
