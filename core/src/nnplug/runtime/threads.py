"""Threads that compute beside others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def single_core_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Start threads in which torch computes on one core each, while it keeps all of them in the caller's.

    Two threads that each have torch compute on all cores wait for each other at every operation.

    Args:
        count: of threads.
        name: that theirs begin with.
    """
    cores = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, name, _compute_alone)
    # A thread that has not computed yet takes the last number that any thread has set, so all of them ask for theirs
    # before the caller's is set again.
    started = Barrier(count + 1)
    for _ in range(count):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(cores)
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()
    torch.set_num_threads(1)
