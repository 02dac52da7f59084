"""Prediction on a GPU, as far as a pretended one shows it: devices, waits of the host, launches, memory."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

REQUESTS = (
    "hippocampus:60,60",
    "regions:60,60",
    "residual:60,60",
    "many-classes:60,0.0001,60",
    "two-folds:60,0.0001,60,60/0.0001",
    "whole:60,0.0001,60",
    "whole-many-classes:60,0.0001,60",
    "label-map-of-two-folds:60,0.0001,60",
    "two-models:60,0.0001,60",
    "two-models-probabilities:60,0.0001,60",
)
"""The third image has memory again that the second one lacks: nothing may stay on the wrong device."""

SMALL = ("many-classes", "whole", "whole-many-classes", "label-map-of-two-folds")


@pytest.fixture(scope="module")
def counts(on_gpu):
    """The counts of all scenes; that they exist shows that no operation mixes devices."""
    return on_gpu("predict", *REQUESTS)


def test_every_image_is_predicted_whatever_memory_is_free(counts):
    images = {request.partition(":")[0]: 1 + request.count(",") for request in REQUESTS}
    assert {name: len(scene) for name, scene in counts.items()} == images


@pytest.mark.parametrize("scene", ["hippocampus", "regions", "residual", *SMALL])
def test_the_host_waits_a_few_times_per_image(counts, scene):
    later = counts[scene][-1]  # weights are copied before the first image
    assert sum(later["waits"].values()) <= 5, later["places"]
    assert later["waits"]["to host"] == 1, "the label map, once"


def test_convolutions_keep_half_precision_between_passes(counts):
    later = counts["hippocampus"][-1]
    assert later["operations"]["_to_copy"] < later["operations"]["convolution"]
    assert later["dispatches"] <= CEILING


CEILING = 180
"""Dispatches of a later image of Hippocampus, one batch and its 8 mirror images: 173 when this was written."""


def test_mirror_images_of_windows_go_through_the_network_together(counts):
    """Each window of 16^3 voxels has 8 images: those of a row of windows fit one pass of the network."""
    convolutions = 8
    passes = [counts[scene][-1]["operations"]["convolution"] / convolutions for scene in ("regions", "whole")]
    assert passes == [2, 2], "one for each row of windows"


def test_weights_of_all_folds_stay_on_the_gpu(counts):
    first, *later = counts["label-map-of-two-folds"]
    assert first["waits"]["pageable to device"] > 28
    assert all(image["waits"]["pageable to device"] <= 3 for image in later)


def test_labels_are_decoded_in_bands_of_slices(counts):
    for scene in ("hippocampus", *SMALL):
        assert counts[scene][-1]["operations"]["argmax"] <= 2, "one for each slab, not for each slice"


def test_the_sums_leave_the_gpu_where_they_do_not_fit(counts):
    roomy, tight, again, _ = counts[
        "two-folds"
    ]  # in the last image the first fold's sums leave no room for the second's
    assert tight["peak"] < roomy["peak"] == again["peak"]
