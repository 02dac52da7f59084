"""The standard deviation in parts has numpy's bits."""

import numpy as np
import pytest

from nnplug.ops.moments import standard_deviation


@pytest.mark.parametrize("size", [1, 7, 8, 127, 128, 129, 1000, 4096, 65_537, 300_001])
@pytest.mark.parametrize("part", [256, 1 << 22])
def test_the_bits_are_numpys(size, part):
    values = np.random.default_rng(size).normal(100, 30, size).astype(np.float32)
    assert standard_deviation(values, part=part) == values.std(dtype=np.float64)


def test_of_volumes_too():
    volume = np.random.default_rng(0).normal(-500, 400, (37, 41, 43)).astype(np.float32)
    assert standard_deviation(volume, part=512) == volume.std(dtype=np.float64)
