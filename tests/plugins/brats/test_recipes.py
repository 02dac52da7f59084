"""Every recipe from dataset to scored, postprocessed predictions, on slices with four channels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug import Plugins
from nnplug_cli.main import main

RECIPES = [r.recipe.name for r in Plugins().registry.recipes if r.source.plugin == "brats"]
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[64,64]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}
WITH_REGIONS = [name for name in RECIPES if name not in ("brats-bl", "brats-bl2")]
REGIONS = ["(1, 2, 3)", "(2, 3)", "(3,)"]


def nnplug(*words):
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def train(shared, tmp_path_factory):
    """`train(recipe)` runs everything on fold 0 and gives the folder of the dataset in the workspace."""
    folder = shared / "data" / "Dataset083_BraTS2013Slices"
    workspace = tmp_path_factory.mktemp("work")
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")

    def train(recipe):
        settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
        where = ["-w", workspace, "-f", "0", "--device", "cpu", "--no-mirroring", "--json"]
        outcome = json.loads(nnplug("run", folder, "--recipe", recipe, *where, *settings))
        assert list(outcome["scores"][0]["mean"]) == REGIONS
        return workspace / folder.name, folder

    return train


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_and_is_scored_in_regions(train, recipe):
    space, _ = train(recipe)
    labels = json.loads((space / "runs" / recipe / "2d" / "fold_0" / "dataset.json").read_text())["labels"]
    assert (labels.get("tumor core") == [2, 3]) == ("brats-bl" not in recipe or recipe.startswith("brats-bl-r"))


def test_predictions_are_postprocessed_scored_and_ranked(train, tmp_path):
    space, dataset = train("brats")
    raw, kept = tmp_path / "raw", tmp_path / "kept"
    described = ["--dataset-json", dataset / "dataset.json"]
    model = space / "model" / "brats_2d"
    nnplug("predict", "-i", dataset / "imagesTr", "-o", raw, "-m", model, "--device", "cpu", "--no-mirroring")
    fitted = ["postprocess", "fit", "-r", dataset / "labelsTr", "-p", raw, *described, "-o", tmp_path / "rule.json"]
    nnplug(*fitted, "--postprocessor", "brats-enhancing", "--set", "postprocessor.criterion=rank")
    nnplug("postprocess", "apply", "-i", raw, "-o", kept, "--rule", tmp_path / "rule.json")
    for folder in (raw, kept):
        scored = [
            "evaluate",
            "-r",
            dataset / "labelsTr",
            "-p",
            folder,
            *described,
            "-o",
            tmp_path / f"{folder.name}.json",
        ]
        nnplug(*scored, "--metrics", "brats")
    summary = json.loads((tmp_path / "kept.json").read_text())
    assert list(summary["mean"]["(3,)"]) == ["Dice", "HD95", "Sensitivity", "Specificity"]
    standings = json.loads(
        nnplug("rank", tmp_path / "raw.json", tmp_path / "kept.json", "--metrics", "brats", "--json")
    )
    assert standings[0]["name"].endswith("kept.json") or standings[0]["mean_rank"] == standings[1]["mean_rank"]


@pytest.mark.slow
def test_five_models_average_their_probabilities(train, tmp_path):
    """The entry's 25 models, in small: of several recipes, in one prediction."""
    models = []
    for recipe in WITH_REGIONS[:5]:
        space, dataset = train(recipe)
        models.append(space / "model" / f"{recipe}_2d")
    image = tmp_path / "images"
    image.mkdir()
    for file in sorted((dataset / "imagesTr").iterdir())[:4]:
        (image / file.name).symlink_to(file)
    how = ["--device", "cpu", "--no-mirroring", "--save-probabilities"]
    together = [word for model in models for word in ("-m", model)]
    nnplug("predict", "-i", image, "-o", tmp_path / "all", *together, *how)
    for index, model in enumerate(models):
        nnplug("predict", "-i", image, "-o", tmp_path / str(index), "-m", model, *how)

    def probabilities(folder):
        (file,) = (tmp_path / folder).glob("*.npz")
        return np.load(file)["probabilities"].astype(np.float32)

    each = [probabilities(str(index)) for index in range(5)]
    assert probabilities("all").shape[0] == 3
    np.testing.assert_allclose(probabilities("all"), np.mean(each, axis=0), atol=2e-3)
    assert np.ptp(each, axis=0).max() > 0.05  # models so different that no one of them passes for the mean
