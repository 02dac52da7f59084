"""`nnplug plugins new --kind KIND`: components of any kind that work."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.registry.components import Kind
from nnplug_cli.main import main

ROOT = Path(__file__).parents[2]
EVERY = [*map(str, Kind), "command"]
CODE = """
import sys
from nnplug import Plugins
from nnplug.testing import checks_of
plugins = Plugins()
for plugin in plugins:
    if plugin.source.plugin == "my-lab": assert plugin.status == "loaded", plugin.reason
for entry in plugins.registry:
    if entry.source.plugin == "my-lab": print(entry.kind, entry.name, entry.load().__name__)
for one in plugins.commands:
    if one.source.plugin == "my-lab": print("command", one.command.name, one.load().name)
if "check" in sys.argv:
    for what, check in checks_of(plugins, "my-lab"):
        assert check.problem() is None, (what, check.name, check.problem())
"""


def new(*words):
    return CliRunner().invoke(main, ["plugins", "new", "my-lab", *map(str, words)])


def load(folder, *words):
    """Load the package in a process of its own, as if it were installed; gives kind -> name."""
    info = folder / "src" / "nnplug_my_lab-0.1.0.dist-info"
    info.mkdir()
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["nnplug"].items())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nnplug-my-lab\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[nnplug]\n{points}")
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        env=os.environ | {"PYTHONPATH": str(info.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY)
def test_any_kind_alone_is_a_package_that_loads(tmp_path, kind):
    result = new("-o", tmp_path / "mine", "--kind", kind)
    assert (result.exit_code, result.stderr) == (0, "")
    offered = load(tmp_path / "mine")
    assert set(offered) == ({"planner", "architecture", "normalizer"} if kind == "planner" else {kind})
    assert offered[kind].startswith("my-lab")
    for file in (tmp_path / "mine").rglob("*.*"):
        if file.is_file():
            assert "foreign" not in str(file.relative_to(tmp_path)) + file.read_text()
        if file.suffix == ".py":
            ast.parse(file.read_text())


def test_light_kinds_keep_their_contracts(tmp_path):
    kinds = ("normalizer", "metric", "loss", "sampler", "tracker", "resampler", "reader")
    assert new("-o", tmp_path / "mine", *(word for kind in kinds for word in ("--kind", kind))).exit_code == 0
    assert set(load(tmp_path / "mine", "check")) == set(kinds)


def test_it_asks_for_the_libraries_that_it_imports(tmp_path):
    assert new("-o", tmp_path / "a", "--kind", "normalizer").exit_code == 0
    assert tomllib.loads((tmp_path / "a" / "pyproject.toml").read_text())["project"]["dependencies"] == [
        "nnplug-core>=0.1,<1"
    ]
    assert new("-o", tmp_path / "b", "--kind", "trainer").exit_code == 0
    project = tomllib.loads((tmp_path / "b" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["nnplug-core>=0.1,<1", "torch>=2.4"]
    assert {path.name for path in (tmp_path / "b" / "src" / "nnplug_my_lab").glob("*.py")} == {
        "__init__.py",
        "batches.py",
        "case_index.py",
        "losses.py",
        "plugin.py",
        "trainer.py",
        "unlabelled.py",
    }


def test_an_unknown_kind_or_an_existing_folder_is_refused(tmp_path):
    assert new("-o", tmp_path / "mine", "--kind", "trainr").exit_code == 2
    result = new("-o", tmp_path, "--kind", "trainer")
    assert (result.exit_code, result.stderr) == (1, f"error: {tmp_path}: exists already; give another folder with -o\n")
    written = json.loads(new("-o", tmp_path / "new", "--kind", "loss", "--json").stdout)
    assert written["folder"] == str(tmp_path / "new")


def test_the_wheel_of_the_command_carries_every_kind(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*pip, ROOT / "cli"], check=True)
    source = ROOT / "tests" / "foreign" / "src" / "nnplug_foreign"
    with zipfile.ZipFile(next(tmp_path.glob("nnplug-*.whl"))) as wheel:
        names = {name.rpartition("/")[2] for name in wheel.namelist() if name.startswith("nnplug_cli/every_kind/")}
    assert {path.name for path in source.glob("*.py")} <= names
