"""A training step on a GPU, as far as a pretended one shows it: devices, waits of the host, launches, memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nnplug_nnunet.training.graphs.graphed_step import _SPARE

SCENES = ("hippocampus", "regions", "residual", "cascade", "strong", "muon")
DISPATCHES = {"hippocampus": 488, "regions": 347, "residual": 606, "cascade": 343, "strong": 343, "muon": 754}
"""Ceilings per step without augmentation, whose kernels depend on its draws: a twentieth above the counts when this was
written. Norms of gradients count one by one here."""
LOSS = {"hippocampus": 37, "regions": 29, "residual": 26, "cascade": 26, "strong": 26, "muon": 26}
"""Ceilings of the loss, per step: of two resolutions with Hippocampus, else of one; the coarsest has weight 0."""
PEAK = 0.9e9
"""Ceiling of the allocated bytes of a step of Hippocampus, batch 9."""


@pytest.fixture(scope="module")
def counts(on_gpu):
    """For each scene the counts of a training step and of a validation step."""
    return on_gpu("train", *SCENES)


@pytest.mark.parametrize("scene", SCENES)
def test_the_host_never_waits_in_a_step(counts, scene):
    for step in counts[scene]:
        assert step["waits"] == {}, step["places"]


@pytest.mark.parametrize("scene", SCENES)
def test_a_step_launches_few_kernels(counts, scene):
    step, _ = counts[scene]
    assert step["dispatches"] - step["phases"]["augment"] <= DISPATCHES[scene], step["phases"]
    assert step["phases"]["loss"] <= LOSS[scene]


@pytest.mark.parametrize("scene", SCENES)
def test_weights_gradients_and_averages_have_one_order_of_memory(counts, scene):
    assert counts[scene][0]["mixed_orders"] == 0
    assert counts[scene][0]["phases"]["optimiser"] > 0


def test_beside_a_graph_that_keeps_its_memory_a_validation_fits(on_gpu):
    step, validation = on_gpu("train", "105-classes")["105-classes"]
    assert validation["peak"] <= (_SPARE - 1) * step["peak"]


def test_a_step_keeps_to_its_memory(counts):
    assert counts["hippocampus"][0]["peak"] <= PEAK


@pytest.mark.parametrize("scene", SCENES)
def test_a_step_copies_no_map_within_the_device(counts, scene):
    """An activation that overwrites a view copies whole maps, 820 MB with Hippocampus; of the batch it is 8 MB."""
    assert counts[scene][0]["copied"] < (1e7 if scene == "hippocampus" else 2e5)


def test_counts_become_rows_of_the_page(counts):
    sys.path.insert(0, str(Path(__file__).parent))
    import table

    step, _ = counts["regions"]
    _, scene, loss, others, waits, *_ = table.training_row(step).split("|")
    assert (scene.strip(), int(loss), int(waits)) == ("regions", step["phases"]["loss"], 0)
    assert int(others) == step["dispatches"] - step["phases"]["augment"]
    assert table.prediction_row(step).startswith(f"| regions | {step['dispatches']} | 0 |")
