"""Losses of a batch that two processes share: those of one process, and gradients that add up to its."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnplug.runtime.distributed import SINGLE_PROCESS, World

SCRIPT = Path(__file__).with_name("rank.py")


def rank_module():
    spec = importlib.util.spec_from_file_location("rank", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RANK = rank_module()


@pytest.fixture(scope="module")
def shared_losses(tmp_path_factory):
    file = tmp_path_factory.mktemp("ranks") / "rendezvous"
    processes = [
        subprocess.Popen([sys.executable, str(SCRIPT), str(rank), "2", str(file)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(output) for output in outputs]


@pytest.fixture(scope="module")
def whole():
    return RANK.losses(SINGLE_PROCESS)


@pytest.mark.parametrize("number", range(len(RANK.CASES)), ids=["-".join(map(str, case)) for case in RANK.CASES])
def test_every_rank_has_the_loss_of_the_whole_batch_and_its_part_of_the_gradient(number, shared_losses, whole):
    loss, gradient = whole[number]
    for rank in shared_losses:
        assert rank[number][0] == pytest.approx(loss, rel=1e-5)
    together = np.concatenate([np.asarray(rank[number][1]) for rank in shared_losses])
    np.testing.assert_allclose(together, gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("count", "size"), [(4, 2), (3, 2), (7, 3), (1, 1)])
def test_a_batch_is_shared_completely_and_evenly(count, size):
    shares = [World(rank, size).part(count) for rank in range(size)]
    assert [sample for share in shares for sample in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["nnunet", "growing", "rescued"])
def test_a_training_of_two_processes_has_the_losses_of_one(tmp_path, trainer):
    script, together, alone = SCRIPT.with_name("training_rank.py"), tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    alone.mkdir()

    def start(rank, size, folder):
        words = [sys.executable, str(script), str(rank), str(size), str(folder), trainer]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    processes = [start(0, 2, together), start(1, 2, together), start(0, 1, alone)]
    main, other, single = (json.loads(process.communicate(timeout=120)[0]) for process in processes)
    assert len(main) == 2
    assert main == pytest.approx(single, rel=1e-5)
    assert other == [], "the main process alone writes"
