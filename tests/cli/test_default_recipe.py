"""What commands do where the user names no recipe, plans or extractor."""

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main

DEFAULT = """
@hookimpl
def nnplug_recipes():
    yield Recipe("ours", {"extractor": "nnunet"}, "", default=True)
"""


def nnplug(*words):
    return CliRunner().invoke(main, list(map(str, words)))


def small(write_dataset):
    import numpy as np

    image, label = np.random.default_rng(0).random((1, 6, 6, 6), np.float32), np.zeros((6, 6, 6), np.uint8)
    label[2:4, 2:4, 2:4] = 1
    return write_dataset({"a": (image, label)})


def test_without_a_default_recipe_the_extractor_must_be_named(write_dataset, tmp_path):
    result = nnplug("-p", "no:nnunet", "fingerprint", small(write_dataset), "-w", tmp_path / "w")
    assert result.exit_code == 1
    assert "no extractor is chosen: no plugin offers a default recipe. Name each with --extractor NAME" in result.stderr


def test_two_default_recipes_are_refused_and_the_blocked_one_decides(install, write_dataset, tmp_path):
    install("nnplug-ours", "ours", DEFAULT)
    words = ("fingerprint", small(write_dataset), "-w", tmp_path / "w")
    result = nnplug(*words)
    assert result.exit_code == 1
    assert "recipes 'nnunet' of nnplug-nnunet" in result.stderr
    assert "'ours' of nnplug-ours 1.0 are both the default" in result.stderr
    assert "block one with nnplug -p no:nnplug-nnunet or nnplug -p no:nnplug-ours" in result.stderr
    assert nnplug("-p", "no:ours", *words).exit_code == 0
    assert nnplug(*words, "--extractor", "nnunet").exit_code == 0


@pytest.mark.parametrize("command", ["preprocess", "train", "select"])
def test_without_a_default_recipe_the_plans_must_be_named(write_dataset, tmp_path, command):
    result = nnplug("-p", "no:nnunet", command, small(write_dataset), "-w", tmp_path / "w")
    assert result.exit_code == 1
    assert "plans: which plans? Give --name NAME; there are none yet" in result.stderr
