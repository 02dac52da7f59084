"""Windows of the runtime: those of the core, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.ops import sliding_window
from nnplug_runtime.model import Windows
from nnplug_runtime.windows import gaussian, predicted_planes, starts


def windows(patch, step=0.5):
    return Windows(patch, step, 1 / 8, 4.0, ())


@pytest.mark.parametrize(("size", "patch", "step"), [(8, 8, 0.5), (23, 8, 0.5), (100, 13, 0.3), (65, 32, 1.0)])
def test_windows_start_where_those_of_the_core_do(size, patch, step):
    assert (starts(size, patch, step),) == sliding_window.window_positions([size], [patch], step)


@pytest.mark.parametrize("patch", [(8, 8), (7, 16, 24), (128, 64, 8)])
def test_the_gaussian_is_that_of_the_core(patch):
    assert np.array_equal(gaussian(windows(patch)), sliding_window.gaussian(patch).numpy())


def test_planes_come_before_the_whole_image_is_predicted():
    calls = []

    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    image = np.arange(40 * 6 * 6, dtype=np.float32).reshape(1, 40, 6, 6)
    planes = predicted_planes([network], image, windows((8, 6, 6)), 1)
    first = next(planes)
    assert (first.shape, len(calls)) == ((1, 6, 6), 1)
    rest = [first.copy(), *(plane.copy() for plane in planes)]
    assert len(calls) == 9
    assert np.allclose(np.stack(rest, 1), 2 * image, rtol=1e-5)
