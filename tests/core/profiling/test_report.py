"""What is concluded from a watched training; test_stopwatch.py and tests/cli/test_bench.py watch one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nnplug.contracts import TrainingLength
from nnplug.errors import NnplugError
from nnplug.profiling.report import Parts, Timer, conclude, verdict
from nnplug.profiling.timers import Iteration
from nnplug.workspace.runs import open_run


def parts(wait):
    return Parts(wait=wait, transfer=0, forward=0.3, loss=0.1, backward=0.5, optimiser=0.1)


@pytest.mark.parametrize(
    ("wait", "busy", "words"),
    [
        (0.01, 5.0, "the network limits: it waits for data 1.0% of the time"),
        (1.0, 4.0, "data limits: the network waits 50.0% of the time for 2 threads that take 4 s together per batch"),
        (1.0, 0.2, "it waits 50.0% of the time, though the threads have time left"),
    ],
)
def test_the_verdict_says_what_limits(wait, busy, words):
    assert verdict(parts(wait), busy, workers=2).startswith(words)


def test_parts_follow_the_marks(make_run):
    watch = Timer.on(torch.device("cpu"))
    watch.steps.iterations = [Iteration(*(10 * i + mark for mark in (0, 1, 3, 6, 8))) for i in range(3)]
    watch.steps.validation = [(0, 9), (10, 12)]
    watch.made = (3.0, 6.0)
    length = TrainingLength(iterations=40, validation_iterations=10, log_lines=4)
    run = open_run(make_run(0).path)
    profile = conclude(run, watch, length, workers=1, wanted=2)
    assert profile.parts == Parts(wait=2, transfer=0, forward=1, loss=2, backward=3, optimiser=2)
    assert (profile.load, profile.augment, profile.validation, profile.epoch) == (1, 2, 2, 105)
    halved = conclude(run, watch, replace(length, voxels=0.5), workers=1, wanted=2)
    assert halved.epoch == 55


def test_a_trainer_without_steps_is_one_line(make_run):
    run = open_run(make_run(0).path)
    with pytest.raises(NnplugError, match="took no two steps one after the other.*Set trainer.KEY=VALUE"):
        conclude(run, Timer.on(torch.device("cpu")), TrainingLength(1, 0, 1), workers=1, wanted=2)
