"""docs/fast.md has every option, with the values of the class and of the recipes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from nnplug import Plugins
from nnplug_fast.trainer import FastTrainer
from nnplug_nnunet.training.trainer import PatchTrainer

PAGE = (Path(__file__).parents[3] / "docs" / "fast.md").read_text()
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `trainer\.(\w+)` \| (.*?) \| (.*?) \|", PAGE, re.MULTILINE)}


def test_every_option_has_a_row():
    own = {field.name for field in fields(FastTrainer)} - {field.name for field in fields(PatchTrainer)}
    assert set(ROWS) >= own


def value(cell):
    """The first value of a cell."""
    text = cell if cell.startswith("[") else cell.split(", ")[0].strip("`")
    try:
        return float(text)
    except ValueError:
        return yaml.safe_load(text)


@pytest.mark.parametrize("name", ROWS)
def test_the_values_are_those_of_the_class_and_of_the_recipe(name):
    default, recipe = ROWS[name]
    options = dict(Plugins().registry.recipe("fast").options["trainer"])
    trainer = FastTrainer(**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
    if name == "momentum":
        assert (FastTrainer()._momentum, trainer._momentum) == (value(default), value(recipe))
        return
    found = [getattr(one, name) for one in (FastTrainer(), trainer)]
    assert [list(one) if isinstance(one, tuple) else one for one in found] == [value(default), value(recipe)]
