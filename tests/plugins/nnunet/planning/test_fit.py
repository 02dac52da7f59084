import pytest

from nnplug.errors import NnplugError
from nnplug_nnunet.planning.fit import Fitter, first_patch


def fitter(**changes):
    defaults = {
        "elements": lambda topology, patch: topology.features_per_stage[0] * patch[0] * patch[1] * patch[2],
        "budget": 32 * 64**3,
        "reference_batch": 2,
        "shrink_batch": 2,
        "first_volume": 256**3,
        "base_features": 32,
        "max_features": 320,
        "dataset_share": 1,
    }
    return Fitter(**{**defaults, **changes})


def test_the_first_patch_covers_as_many_mm_in_every_axis():
    assert first_patch((4, 1, 1), (999, 999, 999), 256**3) == [102, 406, 406]


def test_the_first_patch_is_clipped_to_the_median_shape_as_it_is():
    assert first_patch((1, 1, 1), (300, 100, 99.5), 256**3) == [256, 100, 99.5]


def test_the_patch_shrinks_until_two_samples_fit():
    fit = fitter().fit((1, 1, 1), (256, 256, 256), 1e12)
    assert fit.patch_size == (64, 64, 64)
    assert fit.batch_size == 2


def test_of_equal_axes_the_last_shrinks_first():
    fit = fitter(budget=32 * 64**3 - 1).fit((1, 1, 1), (256, 256, 256), 1e12)
    assert fit.patch_size == (64, 64, 56)


def test_the_axis_that_covers_most_of_the_image_shrinks():
    fit = fitter(budget=32 * 64**3 - 1, first_volume=64**3).fit((1, 1, 1), (64, 128, 128), 1e12)
    assert fit.patch_size == (56, 64, 64)


def test_the_step_is_what_the_strides_divide_after_a_trial_step():
    # 32 is pooled three times, so 8 is tried; 24 is pooled twice, so 4 is the step
    fit = fitter(budget=32 * 64 * 64 * 32 - 1).fit((1, 1, 1), (64, 64, 32), 1e12)
    assert fit.patch_size == (64, 64, 28)


def test_what_is_left_of_the_budget_goes_to_the_batch():
    assert fitter(budget=32 * 64**3 * 3).fit((1, 1, 1), (64, 64, 64), 1e12).batch_size == 6


def test_a_batch_holds_no_more_than_its_share_of_the_dataset_but_at_least_two():
    few = fitter(budget=32 * 64**3 * 10, dataset_share=0.05)
    assert few.fit((1, 1, 1), (64, 64, 64), 64**3 * 100).batch_size == 5
    assert few.fit((1, 1, 1), (64, 64, 64), 64**3).batch_size == 2


def test_a_budget_for_no_patch_says_so():
    with pytest.raises(NnplugError, match=r"memory target is too small for any patch .*Plan for a larger GPU memory"):
        fitter(budget=1).fit((1, 1, 1), (64, 64, 64), 1e12)


def multiples_of_16(limit):
    if min(limit) < 16:
        raise NnplugError(f"no patch within {limit}")
    return tuple(n // 16 * 16 for n in limit)


def test_the_patch_of_a_network_without_stages_to_decide_shrinks_alone():
    def elements(topology, patch):
        assert topology is None
        return patch[0] * patch[1] * patch[2]

    alone = fitter(largest_patch=multiples_of_16, elements=elements, budget=64**3, first_volume=96**3)
    fit = alone.fit((1, 1, 1), (200, 200, 100), 1e12)
    assert (fit.patch_size, fit.batch_size, fit.topology) == ((96, 80, 32), 2, None)


def test_a_network_that_fits_no_budget_says_so():
    alone = fitter(largest_patch=multiples_of_16, elements=lambda _, patch: patch[0], budget=1, first_volume=96**3)
    with pytest.raises(NnplugError, match="no patch within"):
        alone.fit((1, 1, 1), (200, 200, 100), 1e12)
    tiny = fitter(largest_patch=tuple, elements=lambda _, patch: 9, budget=1, first_volume=8)
    with pytest.raises(NnplugError, match=r"too small for any patch \(the last had 2 x 2 x 1 voxels\)"):
        tiny.fit((1, 1, 1), (200, 200, 100), 1e12)
