"""Pairs, medians, and what is said where a side cannot run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from statistics import StatisticsError

import pytest


def result(ours=(), theirs=(), **more):
    from harness.measure import Result

    samples = [tuple({"seconds": s} for s in side) for side in (ours, theirs)]
    return Result(date="2026-01-02T03:04:05+00:00", nnplug=samples[0], peer=samples[1], **more)


def test_medians_and_the_median_of_the_ratios_of_pairs():
    r = result([1, 4, 3], [2, 2, 6])
    assert (r.figure("seconds"), r.peer_figure("seconds")) == (3, 2)
    assert r.ratio("seconds") == 0.5  # of 0.5, 2, 0.5; the ratio of the medians would be 1.5
    assert r.figure("dice") is None
    assert r.ratio("dice") is None
    assert result([1.0]).ratio("seconds") is None


def test_sides_take_turns(tiny, setting):
    from harness.measure import measure

    file, row = tiny("ours", "ours")
    measured = measure(file, row, row.cases[0], setting)
    assert len(measured.nnplug) == len(measured.peer) == row.rounds
    assert measured.ratio("seconds") > 0
    assert measured.peer_absent is None


def test_without_a_peer_nnplug_is_measured_alone(tiny, setting):
    from harness.measure import measure

    file, row = tiny("ours", "theirs")
    absent = measure(file, row, row.cases[0], dataclasses.replace(setting, peer=None))
    assert absent.peer_absent.startswith("nnunetv2 is not here; bench/setup makes its environment")
    dead = measure(file, row, row.cases[0], setting)
    assert "ended with exit code 1: nothing to compare with" in dead.peer_absent
    for measured in (absent, dead):
        assert len(measured.nnplug) == row.rounds
        assert measured.peer == ()


def test_a_peer_that_dies_at_work_does_not_stop_the_row(tiny, setting):
    from harness.measure import measure

    file, row = tiny("ours", "dies")
    measured = measure(file, row, row.cases[0], setting)
    assert "was killed by SIGKILL" in measured.peer_absent
    assert len(measured.nnplug) == row.rounds
    assert measured.peer == ()


def test_nnplug_that_dies_is_said(tiny, setting):
    from harness.measure import measure

    file, row = tiny("dies", "ours")
    measured = measure(file, row, row.cases[0], setting)
    assert "was killed by SIGKILL" in measured.unmeasured
    assert measured.nnplug == ()


def test_a_row_for_gpus_says_that_there_is_none(tiny, setting, monkeypatch):
    import torch
    from harness.measure import measure

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    file, row = tiny("ours", "ours")
    case = dataclasses.replace(row.cases[0], gpu=True)
    assert measure(file, row, case, setting).unmeasured == "needs a CUDA GPU, and this machine has none"


def test_what_others_compute_is_seen():
    import subprocess
    import sys

    from harness.measure import Load

    load, foreign = Load(), Load()
    with load.watched():
        subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    if load.others is None:
        pytest.skip("this system does not say what its cores do")
    burn = "import time; end = time.time() + 1\nwhile time.time() < end: pass"
    process = subprocess.Popen([sys.executable, "-c", burn])  # not ended within the block: a stranger
    with foreign.watched():
        __import__("time").sleep(0.5)
    process.wait()
    assert foreign.others > 0.05


def test_the_least_lead_of_a_curve():
    from rows import learning

    ours, theirs = {"curve": [[1, 0.5], [3, 0.5]]}, {"curve": [[2, 0.25], [4, 0.75]]}
    assert learning.lead(None, ours, theirs) == {"lead": 0.5 - 0.75}  # at 4; at 1, theirs is 0 still
    assert learning.lead(None, ours, {"curve": []}) == {}


def test_a_curve_is_the_median_of_the_trainings_that_have_lasted_so_long():
    from rows import learning

    runs = [[[100, 0.2], [150, 0.4], [300, 0.8]], [[150, 0.1]], [[120, 0.9], [150, 0.9]]]
    assert learning.middle(runs) == [
        (100, pytest.approx(0.0)),  # the others have no epoch yet
        (120, pytest.approx(0.2)),
        (150, pytest.approx(0.3)),  # the first training's mean of two minutes
        (300, pytest.approx(0.8)),
    ]


def test_a_curve_adds_up_seconds_and_needs_an_epoch():
    from harness.session import Died
    from harness.training import curve_of

    epochs = [{"seconds": 2, "mean_dice": 0.5}, {"seconds": 3, "mean_dice": None}]
    assert curve_of(epochs) == [(2, 0.5), (5, 0)]
    with pytest.raises(Died, match="no epoch was finished"):
        curve_of([])


@pytest.mark.parametrize(("device", "compiled"), [("cuda", True), ("cpu", False)])
def test_epochs_on_a_gpu_are_compiled_as_those_of_nnunetv2(setting, monkeypatch, device, compiled):
    from harness import training
    from rows import epoch

    commands = []
    monkeypatch.setattr(epoch, "dataset_of", lambda *_: Path("Dataset001_A"))
    monkeypatch.setattr(training, "output_of", lambda words: None)
    monkeypatch.setattr(training, "run_commands", lambda words, **_: commands.extend(words))
    work = epoch.ours(setting, epoch.BRATS, epochs=2, iterations=2, device=device)
    with pytest.raises(StatisticsError):  # of no epochs
        work()
    assert ("--set=trainer.compile=always" in commands[0]) == compiled
