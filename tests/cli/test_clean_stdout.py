"""Stdout has the results of a command alone, whatever components write and however they do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NNPLUG = Path(sys.executable).parent / "nnplug"
PLUGIN = """
    import os, subprocess, sys

    def shout(where):
        print(f"print at {where}")
        sys.__stdout__.write(f"__stdout__ at {where}\\n")
        sys.__stdout__.flush()
        os.write(1, f"os.write at {where}\\n".encode())
        subprocess.run([sys.executable, "-c", f"print('process at {where}')"], check=True)

    shout("import")

    class Loud:
        figures = {"size": "the number of voxels"}
        ranked = {}
        needs = ()

        def measure(self, reference, prediction, labels, *, spacing):
            shout("measure")
            return {key: {"size": reference.size} for key in labels.keys}

    @hookimpl
    def nnplug_metrics():
        yield MetricComponent("loud", "fake_nnplug_loud:Loud", "")

    @hookimpl
    def nnplug_commands():
        from nnplug import PluginCommand
        yield PluginCommand("loud", "fake_nnplug_loud_command:command", "")
"""
WAYS = ("print", "__stdout__", "os.write", "process")


@pytest.fixture
def nnplug(install):
    """Run the installed command with a plugin that writes to stdout in every way."""
    site = install("nnplug-loud", "loud", PLUGIN).parent
    (site / "fake_nnplug_loud_command.py").write_text(
        "import click\n@click.command()\ndef command():\n    'Say a result.'\n    click.echo('result')\n"
    )

    def run(*words, **options):
        return subprocess.run(
            [NNPLUG, *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            text=True,
            check=False,
            **({"capture_output": True} | options),
        )

    return run


@pytest.fixture
def maps(tmp_path, write_dataset):
    label = np.zeros((6, 6, 6), np.uint8)
    label[2:4, 2:4, 2:4] = 1
    folder = write_dataset({"case": (np.zeros((1, 6, 6, 6), np.float32), label)})
    return folder / "labelsTr", folder / "dataset.json"


@pytest.mark.parametrize("as_json", [True, False])
def test_results_of_a_command_are_alone(nnplug, maps, tmp_path, as_json):
    labels, description = maps
    words = ("-r", labels, "-p", labels, "--dataset-json", description, "-o", tmp_path / "s.json", "--metrics", "loud")
    done = nnplug("evaluate", *words, *(["--json"] if as_json else []))
    assert done.returncode == 0, done.stderr
    for way in WAYS:
        assert f"{way} at import" in done.stderr
        assert f"{way} at measure" in done.stderr
        assert f"{way} at" not in done.stdout
    if as_json:
        assert json.loads(done.stdout)["foreground_mean"]["size"] == 6**3
    else:
        assert done.stdout.startswith("class ")


def test_listings_and_help_are_alone(nnplug):
    listed = nnplug("components", "metric", "--json")
    assert "loud" in {one["name"] for one in json.loads(listed.stdout)}
    assert nnplug("--help").stdout.startswith("Usage: nnplug")
    assert nnplug("-p", "no:brats", "components", "metric").stdout.startswith("kind ")
    assert nnplug("loud").stdout == "result\n"


def test_a_reader_that_ends_is_no_error(nnplug):
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        done = nnplug("components", stdout=gone.stdin, stderr=subprocess.PIPE, capture_output=False)
    assert "error" not in done.stderr
    assert "Traceback" not in done.stderr
