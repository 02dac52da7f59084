"""`nnplug components`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from nnplug_cli.main import main


def test_one_kind_or_all_are_listed():
    everything = json.loads(CliRunner().invoke(main, ["components", "--json"]).stdout)
    recipes = json.loads(CliRunner().invoke(main, ["components", "recipe", "--json"]).stdout)
    assert ("trainer", "nnunet") in [(one["kind"], one["name"]) for one in everything]
    assert recipes == [o for o in everything if o["kind"] == "recipe"] != []


def test_the_table_names_the_distribution():
    lines = CliRunner().invoke(main, ["components", "architecture"]).stdout.splitlines()
    assert lines[0].split() == ["kind", "name", "summary", "from"]
    assert any("plain-conv-unet" in line and "nnplug-nnunet" in line for line in lines)


def test_an_unknown_kind_is_a_usage_error():
    assert CliRunner().invoke(main, ["components", "planer"]).exit_code == 2
