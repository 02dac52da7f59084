"""`nnplug show`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from nnplug_cli.main import main


def test_a_component_with_its_options():
    text = CliRunner().invoke(main, ["show", "trainer", "nnunet"]).stdout
    assert "target nnplug_nnunet.training.trainer:NnUNetTrainer, state version 1" in text
    data = json.loads(CliRunner().invoke(main, ["show", "trainer", "nnunet", "--json"]).stdout)
    options = {option["name"]: option for option in data["options"]}
    assert (options["epochs"]["type"], options["epochs"]["default"], options["epochs"]["words"]) == (
        "int",
        "1000",
        None,
    )


def test_an_option_with_its_text_and_its_words():
    text = CliRunner().invoke(main, ["show", "trainer", "nnunet"]).stdout
    assert "\nschedule: lr x (1 - epoch / epochs)^0.9, a half cosine, or constant; epochs of the warm-up" in text
    (row,) = (line for line in text.splitlines() if line.startswith("trainer.schedule "))
    assert row.split(maxsplit=1)[1].startswith("poly | cosine | constant ")
    assert "\nepochs: " in text, "an option of the base class"
    data = json.loads(CliRunner().invoke(main, ["show", "trainer", "nnunet", "--json"]).stdout)
    (schedule,) = (option for option in data["options"] if option["name"] == "schedule")
    assert schedule["words"] == ["poly", "cosine", "constant"]
    assert schedule["text"].startswith("lr x ")


def test_a_recipe_with_its_choices():
    assert "chooses planner nnunet" in CliRunner().invoke(main, ["show", "recipe", "nnunet"]).stdout


def test_an_unknown_name_suggests_the_nearest():
    result = CliRunner().invoke(main, ["show", "trainer", "nnunt"])
    assert result.exit_code == 1
    assert "Did you mean 'nnunet'?" in result.stderr
