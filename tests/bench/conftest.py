"""`bench/` on the import path, as its runner has it, and a row that is as small as can be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
ROW = """
from harness.row import Case, Goal, Inside, Row


def ours(sleep):
    def work():
        print("libraries print")
        import time

        time.sleep(sleep)

    return work


def theirs(sleep):
    raise SystemExit("nothing to compare with")


def dies(sleep):
    import os, sys

    def work():
        print("too much to hold", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)

    return work


CASE = Case("small", {"sleep": 0.01}, goals=(Goal("seconds", 5, of="nnplug"),))
ROW = Row(title="a tiny row", ours=Inside(NAME), theirs=Inside(OTHER), cases=(CASE,), rounds=2)
"""


@pytest.fixture(autouse=True)
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)


@pytest.fixture
def tiny(tmp_path):
    """`tiny("ours", "ours")` writes a module with a row; gives its file and the row."""

    def make(ours, theirs):
        from harness.serve import load_row

        file = tmp_path / "tiny.py"
        file.write_text(ROW.replace("NAME", ours).replace("OTHER", theirs))
        return file, load_row(str(file))

    return make


@pytest.fixture
def setting(tmp_path):
    """This Python in the place of nnunetv2's."""
    from harness.row import Setting

    return Setting(quick=False, peer=Path(sys.executable), shared=tmp_path, scratch=tmp_path)
