"""Gradients of two processes: sums that begin within the backward pass are those that are made after it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.runtime.distributed import SINGLE_PROCESS
from nnplug.runtime.distributed.gradients import GradientSum

SCRIPT = Path(__file__).with_name("gradient_rank.py")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
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
    spec = importlib.util.spec_from_file_location("gradient_rank", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.network()
    module.step(made, module.batch(), 1)
    return module.gradients(made)


@pytest.mark.parametrize("name", ["once", "again", "in parts", "together"])
def test_every_rank_has_the_gradient_of_the_whole_batch(ranks, whole, name):
    for rank in ranks:
        for ours, expected in zip(rank[name], whole, strict=True):
            assert (ours is None) == (expected is None)
            if expected is not None:
                np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_sums_are_equal_to_the_bit_on_all_ranks_and_to_those_made_after_the_backward_pass(ranks):
    assert ranks[0]["once"] == ranks[1]["once"] == ranks[0]["together"]


def test_they_travel_while_the_backward_pass_goes_on(ranks):
    for rank in ranks:
        assert rank["once: before the last gradient"] >= 2
        assert rank["again: before the last gradient"] >= 2


def test_a_closed_sum_sends_nothing(ranks):
    assert ranks[0]["closed"] == 0


def test_one_process_sends_nothing():
    assert SINGLE_PROCESS.gradient_sum([torch.nn.Parameter(torch.zeros(2))]) is None


def test_a_bucket_has_one_type_and_no_more_than_its_size():
    sizes = (10, 30, 60, 200, 10)
    parameters = [torch.nn.Parameter(torch.zeros(n)) for n in sizes]
    parameters.append(torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)))
    made = GradientSum(parameters, bucket=400)
    assert [[p.numel() for p in bucket.parameters] for bucket in made._buckets] == [[3], [10], [200], [60, 30, 10]]
