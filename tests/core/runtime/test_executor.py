"""Jobs on this machine: order, what failed and what was finished."""

from __future__ import annotations

import threading

import pytest

from nnplug import Plugins
from nnplug.errors import InvalidOptions, NnplugError, Problems
from nnplug.registry.components import Kind
from nnplug.runtime.executor import Failure, LocalExecutor, attempt, collected
from nnplug.runtime.progress import Silent


def fail_on_three(item):
    if item == 3:
        raise NnplugError("three is bad")
    if item == 4:
        raise ValueError("four is no number")
    return item


def test_results_come_in_order_and_failures_at_the_end():
    results = LocalExecutor(2).map(fail_on_three, range(8), stage="test", name=lambda i: f"case_{i}")
    assert [next(results) for _ in range(6)] == [0, 1, 2, 5, 6, 7]
    with pytest.raises(Problems) as problems:
        next(results)
    assert problems.value.lines == (
        "test of case_3: three is bad",
        "test of case_4: ValueError: four is no number",
    )


def test_work_on_the_device_is_done_one_at_a_time_in_this_thread():
    threads, told = [], []

    class Heard(Silent):
        def notice(self, message):
            told.append(message)

    def work(item, progress):
        threads.append(threading.get_ident())
        progress.notice(f"{item}")
        return fail_on_three(item)

    executor = LocalExecutor()
    with pytest.raises(Problems, match="train of 3: three is bad"):
        list(executor.map_on_device(work, (1, 3, 5), stage="train", progress=Heard()))
    assert threads == [threading.get_ident()] * 3
    assert told == ["1", "3", "5"]
    assert executor.slots == 1


def test_several_problems_of_one_job_keep_their_own_lines():
    def job():
        raise Problems(["a: one", "b: two"])

    failure = attempt(job, what="predict of a to b")
    assert failure == Failure(("a: one", "b: two"))
    with pytest.raises(Problems) as problems:
        list(collected([failure]))
    assert problems.value.lines == ("a: one", "b: two")


def test_where_a_job_failed_travels_with_the_lines():
    def fail_here(item):
        raise NnplugError(f"{item} is bad")

    with pytest.raises(Problems) as problems:
        list(LocalExecutor(2).map(fail_here, "ab", stage="test"))
    (trace,) = problems.value.__notes__
    assert "in fail_here" in trace
    assert "a is bad" in trace


def test_a_bug_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        list(LocalExecutor(1).map(lambda item: 1 / item, [0], stage="test"))


def test_workers_below_one_are_refused():
    with pytest.raises(InvalidOptions, match="executor 'local': workers is 0; expected at least 1"):
        Plugins().registry.create(Kind.EXECUTOR, "local", {"workers": 0})
