"""`nnplug show`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from nnplug_cli.main import main


def test_a_component_with_its_options():
    text = CliRunner().invoke(main, ["show", "trainer", "nnunet"]).stdout
    assert "target nnplug_nnunet.training.trainer:NnUNetTrainer, state version 1" in text
    data = json.loads(CliRunner().invoke(main, ["show", "trainer", "nnunet", "--json"]).stdout)
    assert {"name": "epochs", "type": "int", "default": "1000"} in data["options"]


def test_a_recipe_with_its_choices():
    assert "chooses planner nnunet" in CliRunner().invoke(main, ["show", "recipe", "nnunet"]).stdout


def test_an_unknown_name_suggests_the_nearest():
    result = CliRunner().invoke(main, ["show", "trainer", "nnunt"])
    assert result.exit_code == 1
    assert "Did you mean 'nnunet'?" in result.stderr
