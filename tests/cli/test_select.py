"""`nnplug select`: what its options change."""

from __future__ import annotations

import json
import shutil

from click.testing import CliRunner

from nnplug_cli.main import main


def logits(trained):
    return sorted(path.name for path in (trained.folder / "runs").rglob("*.logits.zip"))


def test_single_configurations_alone_are_compared_without_ensembles(copied):
    result = json.loads(copied.run("select", "--device", "cpu", "--no-ensembles", "--json").stdout)
    assert [entry["name"] for entry in result["entries"]] == ["2d", "3d_fullres"]
    assert not list((copied.folder / "crossval").glob("*+*"))


def test_logits_are_kept_where_asked(copied):
    copied.run("select", "--device", "cpu", "--executor", "local")
    assert logits(copied) == []
    shutil.rmtree(copied.folder / "crossval")
    copied.run("select", "--device", "cpu", "--keep-logits")
    assert logits(copied) == sorted(2 * [f"phantom_{case:03d}.logits.zip" for case in range(4)])


def test_the_seed_of_a_training_is_recorded_and_changes_the_weights(copied):
    run = copied.folder / "runs" / "nnunet" / "2d" / "fold_0"
    before = (run / "weights_final.safetensors").read_bytes()
    assert json.loads((run / "run.json").read_text())["seed"] == 7
    words = ("-c", "2d", "-f", 0, "--device", "cpu", "--no-mirroring", "--fresh")
    copied.run("train", *words, "--seed", 7)
    assert (run / "weights_final.safetensors").read_bytes() == before
    copied.run("train", *words, "--seed", 8)
    assert (run / "weights_final.safetensors").read_bytes() != before


def test_a_file_that_is_no_bundle_is_replaced_where_asked_alone(copied, tmp_path):
    target = tmp_path / "mine.zip"
    target.write_text("mine")
    words = ("select", str(copied.dataset), "-w", str(copied.workspace), "--no-ensembles", "-o", str(target))
    refused = CliRunner().invoke(main, [*words, "--device", "cpu"])
    assert refused.exit_code == 1
    assert "is there and is no bundle" in refused.stderr
    assert target.read_text() == "mine"
    copied.nnplug(*words, "--device", "cpu", "--replace")
    copied.nnplug("model", "show", target)


def test_another_figure_decides_and_is_printed(copied):
    printed = copied.run("select", "--device", "cpu", "--no-ensembles", "--metric", "surface.NSD").stdout
    assert "surface.NSD" in printed.splitlines()[0]
    result = json.loads((copied.folder / "crossval" / "selection.json").read_text())
    assert result["metric"] == "surface.NSD"
    assert all(0 <= entry["score"] <= 1 for entry in result["entries"])
