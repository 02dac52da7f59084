"""The checkout on the import path, as `python -m tests.torture.NAME` has it; and a server of commands."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Processes of `nnplug` that start at once, on a disk that can fail."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("the shim of failing disks needs Linux and a C compiler")
    from tests.torture.server import Server

    with Server(tmp_path_factory.mktemp("server")) as started:
        yield started
