"""A CUDA device that computes no numbers, for tests of what code would do on a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from filelock import FileLock

HERE = Path(__file__).parent
TORCH = "2.13.0"
"""The PyTorch whose private functions `pretended.py` replaces."""


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once(NAME, WORDS)`: what a script of this folder prints; one worker of the tests runs it for all."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run(name, script, *words):
        kept = shared / name
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                command = [sys.executable, str(HERE / script), *words]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr[-3000:]
                kept.write_text(done.stdout)
        return kept.read_text()

    return run


@pytest.fixture(scope="session")
def library(once, tmp_path_factory):
    """The compiled device."""
    if not torch.__version__.startswith(TORCH):
        pytest.skip(f"the pretended GPU is made for PyTorch {TORCH}")
    if torch.cuda.is_available() or shutil.which("c++") is None:
        pytest.skip("the pretended GPU needs a C++ compiler and a PyTorch that sees no GPU")
    return once("pretended-gpu.txt", "pretended.py", str(tmp_path_factory.mktemp("gpu"))).strip()


@pytest.fixture(scope="session")
def on_gpu(library, once):
    """`on_gpu("predict", "two-folds:60")`: the counts that a script of this folder prints, a list per scene."""

    def run(script, *requests):
        name = f"{script}-{zlib.crc32(' '.join(requests).encode())}.jsonl"
        scenes = {}
        for line in once(name, f"{script}.py", library, *requests).splitlines():
            counts = json.loads(line)
            scenes.setdefault(counts["scene"], []).append(counts)
        return scenes

    return run
