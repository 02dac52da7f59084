import json

from click.testing import CliRunner

from nnplug_cli.main import main


def postprocess(*words):
    return CliRunner().invoke(main, ["postprocess", *map(str, words)])


def test_a_rule_is_fitted_and_applied(shared, tmp_path):
    folder = shared / "reference" / "postprocess" / "scattered"
    rule, predictions = tmp_path / "rule.json", folder / "predictions"
    paths = ["-r", folder / "labels", "-p", predictions, "--dataset-json", folder / "dataset.json", "-o", rule]
    result = postprocess("fit", *paths, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(rule.read_text())
    assert postprocess("apply", "-i", predictions, "-o", tmp_path / "out", "--rule", rule).exit_code == 0
    assert {f.name for f in (tmp_path / "out").glob("[!.]*")} == {f.name for f in predictions.iterdir()}


def test_options_of_other_kinds_are_refused(tmp_path):
    paths = ["-r", tmp_path, "-p", tmp_path, "--dataset-json", tmp_path / "d.json", "-o", tmp_path / "rule.json"]
    result = postprocess("fit", *paths, "--set", "trainer.epochs=1")
    assert result.exit_code == 2
    assert "trainer.KEY has no use here" in result.stderr


def test_a_missing_rule_is_named(tmp_path):
    result = postprocess("apply", "-i", tmp_path, "-o", tmp_path / "out", "--rule", tmp_path / "rule.json")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'rule.json'}: no such file\n"
