from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nnplug.dataset.description import DatasetDescription
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.preparation.network_summary import summarize
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.testing import samples

GEOMETRY = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 16],
    "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
    "n_conv_per_stage_decoder": [1, 2],
}
NETWORKS = {
    "plain-conv-unet": GEOMETRY | {"n_conv_per_stage": [2, 2, 2]},
    "residual-encoder-unet": GEOMETRY | {"n_blocks_per_stage": [1, 2, 2]},
}


def plans(name):
    configuration = Configuration(
        spacing=(1.0,) * 3,
        patch_size=(8, 16, 16),
        batch_size=2,
        median_shape=(20.0,) * 3,
        normalization=(Normalization(name="zscore", use_mask=False),) * 2,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name=name, options=NETWORKS[name]),
    )
    return Plans(
        dataset="Dataset001_A",
        name="p",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0,) * 3,
        median_shape=(20.0,) * 3,
        intensity={},
        configurations={"3d_fullres": configuration},
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_summed_up_without_being_computed(name):
    registry = Plugins().registry
    found = summarize(plans(name), "3d_fullres", samples.DESCRIPTION, registry)
    network = registry.create(Kind.ARCHITECTURE, name, NETWORKS[name]).build(channels=2, outputs=3)
    assert found.parameters == sum(p.numel() for p in network.parameters()) == sum(s.parameters for s in found.stages)
    encoder = [stage for stage in found.stages if stage.name.startswith("encoder.stages")]
    assert [stage.shape for stage in encoder] == [(4, 8, 16, 16), (8, 4, 8, 8), (16, 4, 4, 4)]
    assert found.stages[-1].shape == (3, 8, 16, 16)
    heads = 3 * 4 * 8 * 8  # the coarser output, which the planner does not count
    assert found.elements == found.planned_elements + heads


def test_the_commands_print_it(tmp_path):
    from nnplug_cli.main import main
    from nnplug_cli.networks import network_data

    (tmp_path / "dataset.json").write_text(json.dumps(samples.DESCRIPTION.raw))
    (tmp_path / "f.json").write_text(json.dumps(samples.fingerprint((1.0, 1.0, 1.0), (20, 24, 22)).data()))
    words = ["plan", "--fingerprint", "f.json", "--dataset-json", "dataset.json", "-o", "p.json", "--summary"]
    words = [str(tmp_path / word) if word.endswith(".json") else word for word in words]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "encoder.stages.0" in result.stdout
    assert "planner's count: " in result.stdout
    description = DatasetDescription.read(tmp_path / "dataset.json")
    data = network_data(summarize(plans("plain-conv-unet"), "3d_fullres", description, Plugins().registry))
    assert json.loads(json.dumps(data))["elements"] == data["elements"] > 0
