"""Threads that compute in parallel with the caller."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def single_core_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of threads in which torch uses one core each; in the caller's thread it keeps all cores.

    Two threads in which torch computes on all cores would wait for each other at every operation.

    Args:
        count: the number of threads.
        name: the beginning of their names.
    """
    cores = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, name, _compute_alone)
    # A thread that has not computed yet takes the last number that any thread has set. So every thread reads its own
    # number first; then the caller's is set again.
    started = Barrier(count + 1)
    for _ in range(count):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(cores)
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()
    torch.set_num_threads(1)
