"""Tiny trainings for the tests of this package."""

from __future__ import annotations

import pytest

from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training.setup import complete_patch_centres


@pytest.fixture
def task_in():
    """`task_in(FOLDER)`: a task of the kit in 3D, whose cases have patch centres."""

    def make(folder):
        task = make_task(folder, Setting(axes=3))
        complete_patch_centres(task)
        return task

    return make
