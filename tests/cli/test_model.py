import json
import shutil

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


@pytest.fixture
def run():
    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def bundle(run, shared, tmp_path):
    from nnplug import Kind, Plugins

    if "zscore" not in Plugins().registry.names(Kind.NORMALIZER):
        pytest.skip("needs the normalizer 'zscore', which no installed plugin offers")
    folder = shared / "reference" / "models" / "em" / "model"
    run("model", "import-nnunet", folder, "-o", tmp_path / "em.zip")
    return tmp_path / "em.zip"


def test_an_imported_model_is_shown_with_its_licence(run, bundle):
    text = run("model", "show", bundle).output
    assert "public challenge data" in text
    assert "plain-conv-unet (nnplug-nnunet" in text
    data = json.loads(run("model", "show", bundle, "--json").output)
    assert (data["dataset"], data["configuration"], data["folds"]) == ("Dataset120_EMMembrane", "tiny", ["all"])
    assert run("model", "show", bundle, "--requirements").output.splitlines() == data["requirements"]


def test_a_bundle_is_unpacked_and_given_back_to_nnunet(run, bundle, tmp_path):
    result = run("model", "import", bundle, "-o", tmp_path / "folder")
    assert "licence: public challenge data" in result.stderr
    imported = f"next: nnplug predict -i IMAGES -o PREDICTIONS -m {tmp_path / 'folder'}"
    assert result.stdout.splitlines() == [f"model: {tmp_path / 'folder'}", imported]
    exported = run("model", "export-nnunet", tmp_path / "folder", "-o", tmp_path / "model").stdout.splitlines()
    following = f"next: nnUNetv2_predict_from_modelfolder -i IMAGES -o PREDICTIONS -m {tmp_path / 'model'}"
    assert exported == [f"model: {tmp_path / 'model'}", following]
    assert (tmp_path / "model" / "fold_all" / "checkpoint_final.pth").is_file()


def test_the_named_checkpoint_is_imported(run, shared, tmp_path):
    import torch
    from safetensors.torch import load_file

    shutil.copytree(shared / "reference" / "models" / "em" / "model", tmp_path / "model")
    fold = tmp_path / "model" / "fold_all"
    checkpoint = torch.load(fold / "checkpoint_final.pth", weights_only=False)
    checkpoint["network_weights"] = {name: 2 * value for name, value in checkpoint["network_weights"].items()}
    torch.save(checkpoint, fold / "checkpoint_best.pth")
    for kind in ("final", "best"):
        run("model", "import-nnunet", tmp_path / "model", "-o", tmp_path / kind, "--checkpoint", kind)
    final, best = (load_file(tmp_path / kind / "fold_all" / "weights.safetensors") for kind in ("final", "best"))
    assert all(torch.equal(2 * final[name], best[name]) for name in final)
    assert json.loads(run("model", "show", tmp_path / "best", "--json").output)["weights"] == "best"


def test_a_run_is_exported_with_weights_rule_and_licence(run, copied, tmp_path):
    rule, labels = tmp_path / "rule.json", copied.dataset / "labelsTr"
    description = ("--dataset-json", copied.dataset / "dataset.json")
    run("postprocess", "fit", "-r", labels, "-p", labels, *description, "-o", rule)
    fold = copied.folder / "runs" / "nnunet" / "2d" / "fold_0"
    words = ("--weights", "best", "--rule", rule, "--licence", "CC-BY-4.0")
    made = run("model", "export", fold, "-o", tmp_path / "bundle", *words).stdout.splitlines()
    assert made[0] == f"model: {tmp_path / 'bundle'}"
    shown = json.loads(run("model", "show", tmp_path / "bundle", "--json").output)
    assert (shown["weights"], shown["licence"]) == ("best", "CC-BY-4.0")
    assert shown["postprocessing"] == json.loads(rule.read_text())
    best = (fold / "weights_best.safetensors").read_bytes()
    assert (tmp_path / "bundle" / "fold_0" / "weights.safetensors").read_bytes() == best


def test_a_file_that_is_no_bundle_is_replaced_where_asked_alone(run, copied, tmp_path):
    target = tmp_path / "mine.zip"
    target.write_text("mine")
    words = ("model", "export", copied.folder / "runs" / "nnunet" / "2d" / "fold_0", "-o", target)
    assert "is there and is no bundle" in run(*words, code=1).stderr
    assert target.read_text() == "mine"
    run(*words, "--replace")
    run("model", "show", target)


def test_the_network_of_a_model_is_shown(run, copied):
    fold = copied.folder / "runs" / "nnunet" / "2d" / "fold_0"
    network = json.loads(run("model", "summary", fold, "--json").output)
    assert network["parameters"] > 0
    memory = network["memory"]
    assert memory["training"] > memory["kept"] > 4 * network["parameters"] / 2**30, "weights and momentum"
    assert memory["prediction"] > 0
    assert (memory["fits"], memory["unknown"]) == (True, [])
    assert str(network["parameters"]) in run("model", "summary", fold).output.replace(",", "").replace(" ", "")


def test_what_is_no_run_is_one_line(run, tmp_path):
    result = run("model", "export", tmp_path, "-o", tmp_path / "b", code=1)
    assert result.stderr.startswith(f"error: {tmp_path}: no model")
    assert len(result.stderr.splitlines()) == 1


def test_a_bundle_is_packed_into_a_file_to_share(run, copied, tmp_path):
    fold = copied.folder / "runs" / "nnunet" / "2d" / "fold_0"
    run("model", "export", fold, "-o", tmp_path / "bundle")
    run("model", "export", tmp_path / "bundle", "-o", tmp_path / "shared.zip")
    shown = [json.loads(run("model", "show", tmp_path / name, "--json").output) for name in ("bundle", "shared.zip")]
    assert shown[0] == shown[1]
    result = run("model", "export", tmp_path / "bundle", "-o", tmp_path / "b", "--licence", "MIT", code=1)
    assert "a bundle keeps its weights, rule and licence" in " ".join(result.stderr.split())
