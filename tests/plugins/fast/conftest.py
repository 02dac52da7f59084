"""Tiny trainings for the tests of this package."""

from __future__ import annotations

import pytest

from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training.setup import index_cases


@pytest.fixture
def task_in():
    """`task_in(FOLDER)`: a task of the kit in 3D, whose cases have patch centres."""

    def make(folder):
        task = make_task(folder, Setting(axes=3))
        index_cases(task)
        return task

    return make
