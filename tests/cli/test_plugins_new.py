"""`nnplug plugins new`: the template, the names it takes, and where it comes from in each kind of installation."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.contracts import Topology
from nnplug.errors import NnplugError
from nnplug.registry.components import Kind
from nnplug.registry.entries import ArchitectureComponent
from nnplug_cli.main import main
from nnplug_cli.scaffold import STAND_IN, template, write_plugin

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "plugins" / "_template"
OFFERS = [
    ("planner", "my-lab"),
    ("architecture", "my-lab-unet"),
    ("trainer", "my-lab"),
    ("recipe", "my-lab"),
]


def run(*arguments):
    return CliRunner().invoke(main, ["plugins", "new", *map(str, arguments)])


def test_a_package_is_written_and_the_next_steps_are_said(tmp_path):
    folder = tmp_path / "mine"
    result = run("my-lab", "-o", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == [
        f"  pip install -e {folder}",
        "  nnplug components",
        "  nnplug plugins check my-lab",
    ]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "nnplug-my-lab"
    assert project["entry-points"]["nnplug"] == {"my-lab": "nnplug_my_lab.plugin"}
    assert (folder / "src/nnplug_my_lab/plugin.py").is_file()


def test_the_default_folder_is_named_after_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("my-lab").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["nnplug-my-lab"]


def test_nothing_of_the_stand_in_is_left(tmp_path):
    write_plugin("my-lab", tmp_path / "new")
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert len(files) == len(list(template()))
    for file in files:
        assert STAND_IN not in str(file.relative_to(tmp_path)) + file.read_text()
        if file.suffix == ".py":
            ast.parse(file.read_text())


def test_what_is_written_offers_a_component_of_three_kinds_and_a_recipe(tmp_path, monkeypatch):
    write_plugin("my-lab", tmp_path / "new")
    info = tmp_path / "new" / "src" / "nnplug_my_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nnplug-my-lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nnplug]\nmy-lab = nnplug_my_lab.plugin\n")
    code = (
        "from nnplug import Plugins\n"
        "plugins = Plugins()\n"
        "mine = [e for e in plugins.registry if e.source.plugin == 'my-lab']\n"
        "for entry in mine: print(entry.kind, entry.name, type(entry.load()).__name__)\n"
        "for offered in plugins.registry.recipes:\n"
        "    if offered.source.plugin == 'my-lab': print('recipe', offered.recipe.name, '-')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(info.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [tuple(line.split()[:2]) for line in done.stdout.splitlines()] == OFFERS


def test_json_says_what_was_written(tmp_path):
    written = json.loads(run("my-lab", "-o", tmp_path / "mine", "--json").stdout)
    assert (written["plugin"], written["folder"]) == ("my-lab", str(tmp_path / "mine"))
    assert written["next"][0] == f"pip install -e {tmp_path / 'mine'}"


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    result = run("my-lab", "-o", tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"error: {tmp_path}: exists already; give another folder with -o\n")
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    result = run("my-lab", "-o", tmp_path / "file" / "new")
    assert result.exit_code == 1
    assert "A file is where a folder should be" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "suits"),
    [
        ("My Lab", "my-lab"),
        ("my_lab", "my-lab"),
        ("nnplug-lab", "lab"),
        ("3d-net", "d-net"),
        ("-", "my-lab"),
        ("../up", "up"),
        ("lab-", "lab"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_one_that_can(tmp_path, name, suits):
    with pytest.raises(NnplugError, match="is not lower-case words") as caught:
        write_plugin(name, tmp_path / "new")
    assert str(caught.value).endswith(f"; {suits!r} is")
    assert repr(name) in str(caught.value)
    write_plugin(suits, tmp_path / "new")


@pytest.mark.parametrize("name", ["nnunet", "core"])
def test_the_name_of_an_installed_package_is_refused(tmp_path, name):
    with pytest.raises(NnplugError, match=rf"nnplug-{name} 0\.1\.0 is installed already; choose another name"):
        write_plugin(name, tmp_path / "new")


def test_the_wheel_of_the_command_carries_the_template(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*pip, ROOT / "cli"], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("nnplug-*.whl"))) as wheel:
        head = "nnplug_cli/template/"
        inside = {
            name.removeprefix(head): wheel.read(name).decode() for name in wheel.namelist() if name.startswith(head)
        }
    assert inside == {str(place): text for place, text in template()}
    assert {"pyproject.toml", "src/nnplug_acme/plugin.py"} <= set(inside)


def test_the_template_is_that_of_the_repository():
    ours = {p.relative_to(TEMPLATE).as_posix() for p in TEMPLATE.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert {str(place) for place, _ in template()} == ours


@pytest.fixture
def network(monkeypatch):
    """The template's architecture for a geometry."""
    monkeypatch.syspath_prepend(TEMPLATE / "src")
    from nnplug_acme.architecture import SmallUNet

    def make(strides):
        kernels = tuple(tuple(3 for _ in stride) for stride in strides)
        features = tuple(4 * 2**stage for stage in range(len(strides)))
        options = SmallUNet.options_for(Topology(strides=strides, kernel_sizes=kernels, features_per_stage=features))
        return SmallUNet(**options)

    yield make
    for module in [name for name in sys.modules if name.startswith("nnplug_acme")]:
        del sys.modules[module]


@pytest.mark.parametrize("strides", [((1, 1), (2, 2), (2, 2)), ((1, 1, 1), (1, 2, 2))])
def test_the_network_of_the_template_counts_the_maps_that_it_makes(network, strides):
    import torch

    architecture = network(strides)
    patch = (8,) * len(strides[0])
    module = architecture.build(channels=2, outputs=3)
    counts = []
    for layer in module.modules():
        if not list(layer.children()) and type(layer).__name__.startswith("Conv"):
            layer.register_forward_hook(lambda _layer, _inputs, output: counts.append(output.numel()))
    logits = module(torch.zeros(1, 2, *patch))
    assert sum(counts) == architecture.feature_map_elements(patch, channels=2, heads=3)
    assert logits[0].shape == (1, 3, *patch)
    assert len(logits) == len(strides) - 1
    assert torch.equal(module.eval()(torch.zeros(1, 2, *patch)), logits[0])


@pytest.mark.parametrize(
    ("strides", "patch", "message"),
    [
        (((1, 1), (2, 2)), (7, 8), r"patch size \[7, 8\] does not fit; the nearest that does is \[8, 8\]"),
        (((1, 1), (2, 2)), (8, 8, 8), r"patch size \[8, 8, 8\] has 3 axes; expected 2"),
        (((1, 1),), (4, 4), r"a patch of \[4, 4\] is too small for a U-Net"),
    ],
)
def test_the_network_of_the_template_refuses_what_it_cannot_take(network, strides, patch, message):
    with pytest.raises(NnplugError, match=message):
        network(strides).check_patch(patch)


def test_the_options_of_the_template_are_checked(network):
    architecture = type(network(((1, 1), (2, 2))))
    entry = ArchitectureComponent("acme-unet", "nnplug_acme.architecture:SmallUNet", "")
    from nnplug.registry.options import build

    with pytest.raises(NnplugError, match=f"{Kind.ARCHITECTURE} '{entry.name}': .* must have an entry per stage"):
        build(
            architecture,
            {"features_per_stage": [4], "kernel_sizes": [[3], [3]], "strides": [[1]]},
            what=f"{Kind.ARCHITECTURE} '{entry.name}'",
        )
