"""`nnplug run` tells time and memory of long trainings before they begin, and delays no short one."""

from __future__ import annotations

import shutil

import pytest

from nnplug_cli import expectations

from .conftest import SMALL


@pytest.fixture
def untrained(copied, monkeypatch):
    """A workspace that lacks fold 0 of 3d_fullres, where every training counts as long."""
    shutil.rmtree(copied.folder / "runs" / "nnunet" / "3d_fullres" / "fold_0")
    monkeypatch.setattr(expectations, "SHORTEST", 1)
    monkeypatch.setattr(expectations, "BUDGET", 0)
    monkeypatch.setattr("nnplug.profiling.duration.report._FEW", 1)
    return copied


WORDS = ("run", "-c", "3d_fullres", "--seed", 7, "--no-mirroring", "--device", "cpu", "--until", "train")


def test_the_time_and_memory_of_what_is_left_are_told(untrained):
    shown = untrained.run(*WORDS, *SMALL).stdout.splitlines()
    (header,) = [n for n, line in enumerate(shown) if "s per iteration" in line]
    name, device, *_, gigabytes = shown[header + 1].split()
    assert (name, device, shown[header + 1].split("  ")[0]) == ("3d_fullres", "cpu", "3d_fullres")
    assert float(gigabytes) >= 0
    assert shown[-1] == (f"next: nnplug run {untrained.dataset} -w {untrained.workspace} -c 3d_fullres")


def test_short_and_finished_trainings_are_not_measured(untrained, monkeypatch):
    monkeypatch.setattr(expectations, "SHORTEST", 1000)
    for _ in range(2):
        assert "s per iteration" not in untrained.run(*WORDS, *SMALL).stdout
        monkeypatch.setattr(expectations, "SHORTEST", 1)
