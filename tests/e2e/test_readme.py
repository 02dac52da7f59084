"""README's commands work as they are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from nnplug_cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page):
    return re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)


def test_the_recipe_for_a_plugin_works_as_printed(environment, tmp_path):
    (block,) = (one for one in blocks(PAGES[0]) if "nnplug plugins new" in one)
    printed = environment.expect("bash", "-euo", "pipefail", "-c", block, cwd=tmp_path)
    assert "my-lab keeps its contract: 0 failed" in printed
    assert {"planner", "architecture", "trainer", "recipe"} <= {
        line.split()[0] for line in printed.splitlines() if "nnplug-my-lab 0.1.0" in line
    }


@pytest.mark.slow
def test_a_wheel_of_the_scaffold_is_installed_and_checked(environment, tmp_path):
    environment.expect("nnplug", "plugins", "new", "my-lab", cwd=tmp_path)
    environment.expect("pip", "wheel", "-q", "./nnplug-my-lab", cwd=tmp_path)
    (wheel,) = tmp_path.glob("nnplug_my_lab-0.1.0-*.whl")
    environment.expect("pip", "install", "-q", wheel)
    found = json.loads(environment.expect("nnplug", "plugins", "check", "my-lab", "--json"))
    assert {one["state"] for one in found} <= {"passed", "skipped"}
    assert {one["component"] for one in found} >= {"planner my-lab", "architecture my-lab-unet", "trainer my-lab"}


def commands(page):
    """The words of each line of a page that calls nnplug."""
    for block in blocks(page):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.partition("#")[0].partition(" | ")[0].split()
            if words[:1] == ["nnplug"]:
                yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_pages_has_its_options(page):
    for words in commands(page):
        command, rest = main, [word for word in words if word != "-v"]
        if rest[0] == "-p":
            rest = rest[2:]
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), rest.pop(0))
            assert command is not None, words
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if re.match(r"-[a-zA-Z]$|--[a-z]", word)}
        assert used - known - {"--help"} == set(), f"{page.name}: nnplug {' '.join(words)}"


def test_pages_have_commands():
    assert sum(len(list(commands(page))) for page in PAGES) >= 20
