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
def library(tmp_path_factory):
    """The compiled device."""
    if not torch.__version__.startswith(TORCH):
        pytest.skip(f"the pretended GPU is made for PyTorch {TORCH}")
    if torch.cuda.is_available() or shutil.which("c++") is None:
        pytest.skip("the pretended GPU needs a C++ compiler and a PyTorch that sees no GPU")
    words = [sys.executable, str(HERE / "pretended.py"), str(tmp_path_factory.mktemp("gpu"))]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def on_gpu(library, tmp_path_factory):
    """`on_gpu("predict", "two-folds:60")`: the counts that a script of this folder prints, a list per scene."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # one worker counts for all

    def run(script, *requests):
        kept = shared / f"{script}-{zlib.crc32(' '.join(requests).encode())}.jsonl"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                words = [sys.executable, str(HERE / f"{script}.py"), library, *requests]
                done = subprocess.run(words, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr[-3000:]
                kept.write_text(done.stdout)
        scenes = {}
        for line in kept.read_text().splitlines():
            counts = json.loads(line)
            scenes.setdefault(counts["scene"], []).append(counts)
        return scenes

    return run
