import json

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


@pytest.fixture
def folder(shared):
    return shared / "reference" / "postprocess" / "regions"


def evaluate(*words):
    return CliRunner().invoke(main, ["evaluate", *map(str, words)])


def test_a_table_of_names_and_a_summary(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    result = evaluate(*paths, "--dataset-json", folder / "dataset.json")
    assert result.exit_code == 0
    *lines, made, following = result.stdout.splitlines()
    assert made == f"summary: {tmp_path / 'summary.json'}"
    seen = f"-l {folder / 'labels'} -l {folder / 'predictions'}"
    assert following == f"next: nnplug overlay -i IMAGES {seen} -o PICTURES"
    assert [line.split()[:2] for line in lines] == [
        ["class", "Dice"],
        ["whole", "0.8540"],
        ["core", "0.6941"],
        ["inner", "0.5699"],
        ["mean", "0.7060"],
    ]
    assert "(3,)" in json.loads((tmp_path / "summary.json").read_text())["mean"]


def test_json_is_the_summary(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    result = evaluate(*paths, "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "summary.json").read_text())


def test_each_missing_file_is_a_line(folder, tmp_path):
    (tmp_path / "case9.nii.gz").write_bytes((folder / "labels" / "case0.nii.gz").read_bytes())
    result = evaluate("-r", folder / "labels", "-p", tmp_path, "-o", tmp_path / "summary.json")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 6
    assert not (tmp_path / "summary.json").exists()


def test_references_without_a_prediction_are_left_out_where_asked(folder, tmp_path):
    (tmp_path / "predictions").mkdir()
    name = "case0.nii.gz"
    (tmp_path / "predictions" / name).write_bytes((folder / "predictions" / name).read_bytes())
    paths = ["-r", folder / "labels", "-p", tmp_path / "predictions", "-o", tmp_path / "summary.json"]
    words = [*paths, "--dataset-json", folder / "dataset.json", "--workers", 1]
    assert evaluate(*words).exit_code == 1
    result = evaluate(*words, "--partial")
    assert result.exit_code == 0, result.output
    (case,) = json.loads((tmp_path / "summary.json").read_text())["metric_per_case"]
    assert case["reference_file"] == str(folder / "labels" / name)


def test_metrics_are_chosen_by_name_and_share_a_table(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    chosen = ["--metrics", "surface", "--metrics", "overlap", "--set", "metric.tolerance=100"]
    result = evaluate(*paths, *chosen, "--dataset-json", folder / "dataset.json")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["class", "HD95", "ASSD", "NSD", "Dice", "IoU", "FP", "TP", "FN"]
    assert [line[3:5] for line in lines[1:4]] == [["1.0000", "0.8540"], ["1.0000", "0.6941"], ["1.0000", "0.5699"]]
    assert list(json.loads((tmp_path / "summary.json").read_text())["mean"]["(3,)"])[:3] == ["HD95", "ASSD", "NSD"]


def test_what_is_no_metric_or_no_option_of_one_is_refused(folder, tmp_path):
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "-o", tmp_path / "summary.json"]
    result = evaluate(*paths, "--metrics", "surfaces")
    assert (result.exit_code, result.stderr) == (1, "error: no metric is called 'surfaces'. Did you mean 'surface'?\n")
    assert evaluate(*paths, "--set", "metric.tolerance=1").exit_code == 1
    assert "this command takes metric.KEY=VALUE" in evaluate(*paths, "--set", "trainer.epochs=1").stderr
    assert not (tmp_path / "summary.json").exists()
