"""Cascades of nnU-Net v2: two model folders in, one bundle out, and back."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import SimpleITK
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from nnplug.errors import InvalidFile, NnplugError
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.io.images import read_image
from nnplug.models.bundle import Contents, pack, read_bundle
from nnplug.models.open import open_member
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug_cli.main import main
from nnplug_nnunet.nnunet_models import export_model, import_model

NNUNET = """
import torch
torch.half = torch.float16 = torch.float32  # nnunetv2 sums in half precision, in which labels change
from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder
if __name__ == "__main__":
    predict_entry_point_modelfolder()
"""
LOW, CASCADE = "3d_lowres", "3d_cascade_fullres"


@pytest.fixture
def bundle(make_bundle, registry, tmp_path):
    """Two folds of each stage, random weights."""
    opened = read_bundle(make_bundle())
    plain, description = opened.plans.configuration("tiny"), opened.description
    low = msgspec.structs.replace(plain, spacing=(2.0, 2.0, 2.0), next_stage=CASCADE)
    configurations = {LOW: low, CASCADE: msgspec.structs.replace(plain, previous_stage=LOW)}
    plans = msgspec.structs.replace(opened.plans, configurations=configurations)
    contents: Contents | None = None
    for seed, (name, configuration) in enumerate(configurations.items()):
        torch.manual_seed(seed)
        folds = {}
        for fold in "01":
            choice = configuration.architecture
            channels = configuration.input_channels(description)
            module = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(channels=channels, outputs=2)
            folds[fold] = partial(save_file, module.state_dict())
        own = Contents(plans.only(name), description, name, folds, (0, 1, 2), opened.record.providers)
        contents = replace(own, previous=contents)
    pack(contents, tmp_path / "cascade")
    return tmp_path / "cascade"


@pytest.fixture
def results(bundle, tmp_path):
    """The folders of both stages as nnU-Net v2 leaves them."""
    export_model(bundle, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def bring(registry, tmp_path):
    def bring(model, **options):
        import_model(model, tmp_path / "imported", registry=registry, progress=Silent(), **options)
        return read_bundle(tmp_path / "imported")

    return bring


def trained(results, name):
    return results / f"nnUNetTrainer__nnunet__{name}"


def test_both_stages_there_and_back_again(bundle, results, bring):
    assert {folder.name for folder in results.iterdir()} == {trained(results, n).name for n in (LOW, CASCADE)}
    before, after = read_bundle(bundle), bring(trained(results, CASCADE))
    for ours, theirs in zip(before.stages, after.stages, strict=True):
        assert ours.record.configuration == theirs.record.configuration
        for fold in "01":
            a, b = load_file(ours.weights(fold)), load_file(theirs.weights(fold))
            assert a.keys() == b.keys()
            assert all(torch.equal(a[name], b[name]) for name in a)
    assert after.plans.configuration(CASCADE).previous_stage == LOW


def test_the_first_stage_is_a_model_of_its_own(results, bring):
    assert bring(trained(results, LOW)).previous is None


def test_the_folder_of_the_first_stage_can_be_anywhere(results, bring, tmp_path):
    shutil.move(trained(results, LOW), tmp_path / "elsewhere")
    with pytest.raises(
        NnplugError, match=r"refines predictions of '3d_lowres', whose folder .*__3d_lowres is not there"
    ):
        bring(trained(results, CASCADE))
    assert bring(trained(results, CASCADE), previous=tmp_path / "elsewhere").previous.record.folds == ("0", "1")


def test_the_command_takes_the_folder_of_the_first_stage(results, tmp_path):
    shutil.move(trained(results, LOW), tmp_path / "elsewhere")
    words = ["model", "import-nnunet", trained(results, CASCADE), "-o", tmp_path / "bundle"]
    assert CliRunner().invoke(main, [*map(str, words)]).exit_code == 1
    result = CliRunner().invoke(main, [*map(str, words), "--previous", str(tmp_path / "elsewhere")])
    assert result.exit_code == 0, result.output
    assert read_bundle(tmp_path / "bundle").previous.record.configuration == LOW


def test_another_configuration_as_first_stage_is_refused(results, bring):
    with pytest.raises(InvalidFile, match="needs predictions of '3d_lowres', not of '3d_cascade_fullres'"):
        bring(trained(results, CASCADE), previous=trained(results, CASCADE))


@pytest.mark.slow
def test_nnunet_by_hand_predicts_what_the_bundle_does(results, bring, tmp_path):
    """Set ORACLE to the bin folder of an environment that has nnunetv2."""
    python = Path(os.environ.get("ORACLE", "")) / "python"
    if not os.environ.get("ORACLE") or not python.is_file():
        pytest.skip("needs nnunetv2: set ORACLE to the bin folder of an environment that has it")
    array = np.zeros((18, 20, 17), np.float32)
    array[2:-1, 1:-2, 3:] = np.random.default_rng(0).normal(50, 20, (15, 17, 14))
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((1.1, 0.9, 1.3))
    (tmp_path / "in").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "in" / "a_0000.nii.gz"))
    (tmp_path / "nnunet.py").write_text(NNUNET)
    places = dict.fromkeys(("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"), str(tmp_path))

    def run(name, *more):
        words = ["-i", "in", "-o", name, "-m", trained(results, name), "-f", "0", "1", "-device", "cpu", *more]
        words = [python, "nnunet.py", *words, "-npp", "1", "-nps", "1", "--disable_tta"]
        subprocess.run([*map(str, words)], cwd=tmp_path, env=os.environ | places, check=True)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / name / "a.nii.gz")))

    low = run(LOW)
    theirs = run(CASCADE, "-prev_stage_predictions", LOW)
    bring(trained(results, CASCADE))
    predictor = LoadedMember(
        open_member(tmp_path / "imported"), Runtime(Plugins(), device="cpu"), PredictOptions(mirroring=False)
    )
    ours = predictor.predict(read_image((tmp_path / "in" / "a_0000.nii.gz",)))
    assert 0.1 < low.mean() < 0.9
    assert 0.1 < theirs.mean() < 0.9
    assert np.mean(ours == theirs) > 0.9995
