"""Threads beside others compute on one core; the caller keeps all of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from nnplug.runtime.threads import single_core_threads


@pytest.fixture
def three_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_cores")
def test_each_computes_on_one_core_and_nobody_else_does():
    with single_core_threads(2, "export") as pool, ThreadPoolExecutor(1) as later:
        assert {pool.submit(torch.get_num_threads).result() for _ in range(8)} == {1}
        assert torch.get_num_threads() == 3
        assert later.submit(torch.get_num_threads).result() == 3
