"""The expected times of trainings, and what makes them too long."""

from __future__ import annotations

import pytest

from nnplug.runtime.machine import OtherPrograms
from nnplug.runtime.progress import Silent
from nnplug_cli.durations import reporting_load


class Noticed(Silent):
    def __init__(self):
        self.notices = []

    def notice(self, line):
        self.notices.append(str(line))


@pytest.mark.parametrize(("used", "told"), [(0.1, False), (1.26, True)])
def test_other_programs_are_told_after_a_measurement(monkeypatch, used, told):
    monkeypatch.setattr(OtherPrograms, "cores", lambda self: used)
    monkeypatch.setattr("nnplug.runtime.executor.available_cores", lambda: 2)
    heard = Noticed()
    with reporting_load(heard):
        assert heard.notices == []
    assert heard.notices == ["other programs used 1.3 of 2 cores meanwhile: alone, a training is faster"] * told
