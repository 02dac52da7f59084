import json

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
    run("model", "export-nnunet", tmp_path / "folder", "-o", tmp_path / "model")
    assert (tmp_path / "model" / "fold_all" / "checkpoint_final.pth").is_file()


def test_what_is_no_run_is_one_line(run, tmp_path):
    result = run("model", "export", tmp_path, "-o", tmp_path / "b", code=1)
    assert result.stderr.startswith(f"error: {tmp_path}: no model")
    assert len(result.stderr.splitlines()) == 1
