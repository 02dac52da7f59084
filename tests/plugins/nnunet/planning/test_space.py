import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.plans.fingerprint import Fingerprint
from nnplug_nnunet.planning.space import Space, target_spacing


def fingerprint_of(spacings, shapes):
    data = {
        "spacings": spacings,
        "shapes_after_crop": shapes,
        "foreground_intensity_properties_per_channel": {},
        "median_relative_size_after_cropping": 1.0,
    }
    return Fingerprint.from_data(data, "fingerprint.json")


def space_of(spacings, shapes, spacing=None, **options):
    fingerprint = fingerprint_of(spacings, shapes)
    return Space.of(fingerprint, spacing=spacing or target_spacing(fingerprint), **options)


def target(spacings, shapes):
    return list(target_spacing(fingerprint_of(spacings, shapes)))


def test_the_target_is_the_median():
    assert target([[1, 1, 1], [2, 1, 1], [3, 4, 1]], [[100, 100, 100]] * 3) == [2, 1, 1]


def test_a_coarse_and_short_axis_takes_its_tenth_percentile():
    spacings = [[float(s), 0.5, 0.5] for s in range(2, 13)]
    assert target(spacings, [[20, 200, 200]] * 11) == pytest.approx([3, 0.5, 0.5])


def test_but_nothing_finer_than_the_other_axes():
    spacings = [[0.1, 0.5, 0.6], [0.1, 0.5, 0.6], [5, 0.5, 0.6], [5, 0.5, 0.6], [5, 0.5, 0.6]]
    assert target(spacings, [[20, 200, 200]] * 5) == pytest.approx([0.60001, 0.5, 0.6], abs=1e-9)


def test_a_coarse_axis_that_is_long_keeps_the_median():
    spacings = [[float(s), 0.5, 0.5] for s in range(2, 13)]
    assert target(spacings, [[100, 200, 200]] * 11) == [7, 0.5, 0.5]


def test_exactly_three_times_coarser_is_not_anisotropic():
    assert target([[1, 0.5, 0.5], [1.5, 0.5, 0.5], [2, 0.5, 0.5]], [[20, 200, 200]] * 3) == [1.5, 0.5, 0.5]


def test_the_coarsest_axis_comes_first_and_the_others_keep_their_order():
    space = space_of([[1, 2, 5]], [[100, 50, 20]])
    assert space.transpose_forward == (2, 0, 1)
    assert space.transpose_backward == (1, 2, 0)
    assert space.spacing.tolist() == [5, 1, 2]
    assert space.original_median_shape.tolist() == [20, 100, 50]


def test_no_transposition_by_option():
    assert space_of([[1, 2, 5]], [[100, 50, 20]], transpose=False).transpose_forward == (0, 1, 2)


def test_a_spacing_by_option_is_in_the_image_order():
    space = space_of([[1, 1, 2]], [[100, 50, 20]], spacing=(0.5, 1, 4))
    assert space.spacing.tolist() == [4, 0.5, 1]
    assert space.median_shape.tolist() == [10, 200, 50]


def test_shapes_are_rounded_half_to_even_before_the_median():
    space = space_of([[1, 1, 1], [1, 1, 1]], [[5, 7, 9], [5, 7, 10]], spacing=(2, 2, 2))
    assert space.median_shape.tolist() == [2, 4, 4.5]


@given(st.lists(st.tuples(*[st.floats(0.1, 10)] * 3), min_size=1, max_size=9))
def test_transposing_back_undoes_transposing(spacings):
    space = space_of(spacings, [[30, 30, 30]] * len(spacings))
    order = [space.transpose_forward[axis] for axis in space.transpose_backward]
    assert order == [0, 1, 2]
    assert space.spacing[0] == space.spacing.max()
