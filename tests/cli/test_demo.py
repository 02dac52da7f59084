"""`nnplug demo` asks the trainer of the default recipe for a short training."""

from __future__ import annotations

from nnplug.dataset.phantom import write_phantom
from nnplug.registry.loader import Plugins
from nnplug_cli.demo import _request


def test_the_demo_is_as_long_as_ever_and_set_wins(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=2, unseen=0, shape=(12, 12, 12))
    options = {"trainer": {"iterations_per_epoch": 3, "mirroring": False}}
    planned = _request(dataset, tmp_path, Plugins(), options).plan.options
    assert planned["trainer"] == {
        "epochs": 10,
        "iterations_per_epoch": 3,
        "val_iterations_per_epoch": 4,
        "mirroring": False,
    }
