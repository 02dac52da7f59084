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
    *_, made, following = postprocess("fit", *paths).stdout.splitlines()
    assert made == f"rule: {rule}"
    assert following == f"next: nnplug postprocess apply -i PREDICTIONS -o OUTPUT --rule {rule}"
    applied = postprocess("apply", "-i", predictions, "-o", tmp_path / "out", "--rule", rule)
    assert applied.exit_code == 0
    assert applied.stdout.splitlines()[0] == f"predictions: {tmp_path / 'out'}"
    assert {f.name for f in (tmp_path / "out").glob("[!.]*")} == {f.name for f in predictions.iterdir()}


def test_a_rule_is_fitted_by_another_figure(shared, tmp_path):
    folder = shared / "reference" / "postprocess" / "scattered"
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "--dataset-json", folder / "dataset.json"]
    result = postprocess("fit", *paths, "-o", tmp_path / "rule.json", "--metric", "surface.HD95", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["figure"], record["metric"]["distribution"]) == ("surface.HD95", "nnplug-nnunet")
    unranked = postprocess("fit", *paths, "-o", tmp_path / "other.json", "--metric", "surface.ASSD")
    assert unranked.exit_code == 1
    assert "metric 'surface' ranks no figure 'ASSD'" in unranked.stderr


def test_a_postprocessor_with_a_criterion_of_its_own_says_so(install, shared, tmp_path):
    body = """
    class Nothing:
        def fit(self, cases, labels, *, executor, progress):
            return {}
        def apply(self, label_map, rule, *, spacing, labels):
            return label_map.copy()
    @hookimpl
    def nnplug_postprocessors():
        yield PostprocessorComponent("nothing", "fake_nnplug_none:Nothing", "")
    """
    install("nnplug-none", "none", body)
    folder = shared / "reference" / "postprocess" / "scattered"
    paths = ["-r", folder / "labels", "-p", folder / "predictions", "--dataset-json", folder / "dataset.json"]
    words = ("--postprocessor", "nothing", "--metric", "overlap")
    result = postprocess("fit", *paths, "-o", tmp_path / "rule.json", *words)
    assert result.exit_code == 0, result.output
    assert "'nothing' from nnplug-none 1.0 fits its rule by a criterion of its own" in result.stderr
    assert "figure" not in json.loads((tmp_path / "rule.json").read_text())


def test_options_of_other_kinds_are_refused(tmp_path):
    paths = ["-r", tmp_path, "-p", tmp_path, "--dataset-json", tmp_path / "d.json", "-o", tmp_path / "rule.json"]
    result = postprocess("fit", *paths, "--set", "trainer.epochs=1")
    assert result.exit_code == 2
    assert "trainer.KEY has no use here" in result.stderr


def test_a_missing_rule_is_named(tmp_path):
    result = postprocess("apply", "-i", tmp_path, "-o", tmp_path / "out", "--rule", tmp_path / "rule.json")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'rule.json'}: no such file\n"
