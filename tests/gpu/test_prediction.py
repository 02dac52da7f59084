"""Prediction on a GPU, as far as a pretended one shows it: devices, waits of the host, launches, memory."""

from __future__ import annotations

import pytest

REQUESTS = (
    "hippocampus:60,60",
    "regions:60,60",
    "residual:60,60",
    "many-classes:60,0.0001,60",
    "two-folds:60,0.0001,60,60/0.0001",
    "two-models:60,0.0001,60",
    "two-models-probabilities:60,0.0001,60",
)
"""The third image has memory again that the second one lacks: nothing may stay on the wrong device."""


@pytest.fixture(scope="module")
def counts(on_gpu):
    """The counts of all scenes; that they exist shows that no operation mixes devices."""
    return on_gpu("predict", *REQUESTS)


def test_every_image_is_predicted_whatever_memory_is_free(counts):
    images = {request.partition(":")[0]: 1 + request.count(",") for request in REQUESTS}
    assert {name: len(scene) for name, scene in counts.items()} == images


@pytest.mark.parametrize("scene", ["hippocampus", "regions", "residual", "many-classes"])
def test_the_host_waits_a_few_times_per_image(counts, scene):
    later = counts[scene][-1]  # weights are copied before the first image
    assert sum(later["waits"].values()) <= 5, later["places"]
    assert later["waits"]["to host"] == 1, "the label map, once"


def test_convolutions_keep_half_precision_between_passes(counts):
    later = counts["hippocampus"][-1]
    slices = 36  # each converts its labels
    assert later["operations"]["_to_copy"] - slices < later["operations"]["convolution"]
    assert later["dispatches"] <= CEILING


CEILING = 300
"""Dispatches of a later image of Hippocampus, one batch and its 8 mirror images: 268 when this was written."""


def test_the_sums_leave_the_gpu_where_they_do_not_fit(counts):
    roomy, tight, again, _ = counts[
        "two-folds"
    ]  # in the last image the first fold's sums leave no room for the second's
    assert tight["peak"] < roomy["peak"] == again["peak"]
