"""What a resampler returns is checked where it is called; the message names the resampler."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.contracts import Regrid
from nnplug.contracts.attributed.resampler import AttributedResampler
from nnplug.errors import ComponentFailed, InvalidPlugin
from nnplug.plans.plans import Resampling
from nnplug.registry.attribution import Origin, tagged

GRIDS = Regrid((4, 4, 4), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), Resampling())
IMAGE, LABEL = np.zeros((2, 8, 8, 8), np.float32), np.zeros((8, 8, 8), np.int16)


class Gives:
    def __init__(self, result):
        self.result = result

    def new_shape(self, *_):
        return self.result

    def resample_image(self, *_):
        return self.result

    def resample_label(self, *_):
        return self.result / 0 if isinstance(self.result, int) else self.result


def named(result):
    origin = Origin("resampler 'odd' from nnplug-odd 1.0", "nnplug-odd", "nnplug_odd")
    return AttributedResampler(tagged(Gives(result), origin))


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (None, "gave NoneType instead of numpy.ndarray"),
        (np.zeros((2, 4, 4, 5), np.float32), r"gave float32 of shape \(2, 4, 4, 5\); expected float32 of shape \(2, 4"),
        (np.zeros((2, 4, 4, 4)), "gave float64 of shape"),
        (np.full((2, 4, 4, 4), np.nan, np.float32), "gave an image with values that are not finite"),
    ],
)
def test_images_are_checked(result, fault):
    with pytest.raises(InvalidPlugin, match=f"resampler 'odd' from nnplug-odd 1.0 {fault}"):
        named(result).resample_image(IMAGE, GRIDS)


def test_label_maps_and_shapes_are_checked():
    with pytest.raises(InvalidPlugin, match="resampler 'odd' .* gave int64 of shape .* expected int16"):
        named(np.zeros((4, 4, 4), np.int64)).resample_label(LABEL, GRIDS)
    for shape in ((4, 4), [4, 4, 4], (4, 4, 0), (4.0, 4.0, 4.0)):
        with pytest.raises(InvalidPlugin, match="gave the shape .*; expected three numbers above 0"):
            named(shape).new_shape((8, 8, 8), (1.0,) * 3, (2.0,) * 3)
    with pytest.raises(ComponentFailed, match="resampler 'odd' from nnplug-odd 1.0 failed: ZeroDivisionError"):
        named(1).resample_label(LABEL, GRIDS)


def test_sound_results_pass():
    image = np.ones((2, 4, 4, 4), np.float32)
    assert named(image).resample_image(IMAGE, GRIDS) is image
    assert named((4, 4, 4)).new_shape((8, 8, 8), (1.0,) * 3, (2.0,) * 3) == (4, 4, 4)
