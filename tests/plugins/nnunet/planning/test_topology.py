from hypothesis import given
from hypothesis import strategies as st

from nnplug_nnunet.planning.topology import Pyramid

axes = st.integers(2, 3)
grids = axes.flatmap(
    lambda n: st.tuples(st.tuples(*[st.floats(0.2, 8)] * n), st.tuples(*[st.floats(1, 600)] * n)),
)


def test_an_isotropic_cube_is_pooled_in_all_axes_down_to_four():
    pyramid = Pyramid.of((1, 1, 1), (128, 128, 128))
    assert pyramid.strides == ((1, 1, 1), *[(2, 2, 2)] * 5)
    assert pyramid.kernel_sizes == ((3, 3, 3),) * 6
    assert pyramid.divisor == (32, 32, 32)


def test_the_coarse_axis_waits_with_pooling_and_with_its_kernel():
    pyramid = Pyramid.of((4, 1, 1), (32, 128, 128))
    assert pyramid.strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert pyramid.kernel_sizes == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))


def test_a_spacing_exactly_twice_the_finest_waits():
    assert Pyramid.of((2, 1, 1), (64, 64, 64)).strides[1] == (1, 2, 2)


def test_a_single_axis_is_pooled_from_twelve_voxels_on():
    assert Pyramid.of((1, 1), (11, 7)).strides == ((1, 1),)
    assert Pyramid.of((1, 1), (12, 7)).strides == ((1, 1), (2, 1))


def test_an_odd_size_is_rounded_up_by_pooling():
    assert len(Pyramid.of((1, 1), (15, 15)).strides) == 3


def test_the_patch_is_padded_up():
    pyramid = Pyramid.of((1, 1, 1), (128, 128, 128))
    assert pyramid.pad((100, 128, 32.5)) == (128, 128, 64)


def test_features_double_up_to_the_limit():
    topology = Pyramid.of((1, 1, 1), (128, 128, 128)).topology(32, 320)
    assert topology.features_per_stage == (32, 64, 128, 256, 320, 320)


@given(grids)
def test_kernels_grow_once_and_the_bottleneck_has_three(grid):
    pyramid = Pyramid.of(*grid)
    assert len(pyramid.kernel_sizes) == len(pyramid.strides)
    assert set(pyramid.kernel_sizes[-1]) == {3}
    for finer, coarser in zip(pyramid.kernel_sizes, pyramid.kernel_sizes[1:], strict=False):
        assert all(a <= b for a, b in zip(finer, coarser, strict=True))


@given(grids)
def test_a_padded_patch_is_a_multiple_and_no_pooled_axis_ends_below_four(grid):
    spacing, size = grid
    pyramid = Pyramid.of(spacing, size)
    for padded, n, divisor in zip(pyramid.pad(size), size, pyramid.divisor, strict=True):
        assert padded % divisor == 0
        assert 0 <= padded - n < divisor
        assert divisor == 1 or padded // divisor >= 4
