import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import load_file

from nnplug.errors import InvalidFile, NnplugError
from nnplug.models.bundle import read_bundle
from nnplug.runtime.progress import Silent
from nnplug_nnunet.nnunet_models import export_model, import_model


class Notices(Silent):
    def __init__(self):
        self.lines = []

    def notice(self, message):
        self.lines.append(message)


@pytest.fixture
def bring(registry, tmp_path):
    def bring(model, **options):
        import_model(model, tmp_path / "imported", registry=registry, **{"progress": Silent(), **options})
        return read_bundle(tmp_path / "imported")

    return bring


@pytest.fixture
def model(make_bundle, tmp_path):
    """A folder as nnU-Net v2 leaves it."""
    export_model(make_bundle(), tmp_path / "model")
    return tmp_path / "model"


def edit(file, change):
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def tiny(data):
    return data["configurations"]["tiny"]


@pytest.mark.parametrize(
    ("name", "configuration", "fold"),
    [
        ("hippocampus", "3d_bs2", "0"),
        ("em", "tiny", "all"),
        ("ct-nomirror", "tiny", "all"),
        ("brats-nomirror", "tiny", "all"),
    ],
)
def test_real_models_are_imported(shared, bring, name, configuration, fold):
    folder = shared / "reference" / "models" / name / "model"
    bundle = bring(folder)
    theirs = json.loads((folder / "plans.json").read_text())
    assert (bundle.record.configuration, bundle.record.folds) == (configuration, (fold,))
    assert bundle.plans.transpose_forward == tuple(theirs["transpose_forward"])
    assert set(bundle.plans.configurations) == set(theirs["configurations"])
    assert bundle.record.mirror_axes == tuple(range(bundle.plans.configuration(configuration).dimensions))
    assert bundle.record.record[fold]["trainer"].startswith("nnUNetTrainer")
    named = {p.name for p in bundle.record.providers if p.kind not in ("preprocessor", "inference", "reader")}
    assert named <= {"plain-conv-unet", "zscore", "ct"}
    assert [p.name for p in bundle.record.providers if p.kind == "inference"] == ["sliding-window"]
    assert [p.name for p in bundle.record.providers if p.kind == "reader"] == ["simpleitk"]
    assert bundle.plans.choices["preprocessor"].name == "nnunet"


@pytest.mark.parametrize("network", ["plain-conv-unet", "residual-encoder-unet"])
@pytest.mark.parametrize(
    ("dimensions", "options"), [(2, {}), (3, {"dropout": 0.2, "conv_bias": False}), (3, {"norm": "batch"})]
)
def test_there_and_back_again(make_bundle, bring, tmp_path, network, dimensions, options):
    before = make_bundle(network, dimensions, **options)
    export_model(before, tmp_path / "model")
    after = bring(tmp_path / "model")
    ours = read_bundle(before)
    assert after.plans.configuration("tiny") == ours.plans.configuration("tiny")
    assert after.plans.intensity == ours.plans.intensity
    assert after.record.mirror_axes == ours.record.mirror_axes
    for fold in "01":
        a, b = load_file(ours.weights(fold)), load_file(after.weights(fold))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_plans_of_older_versions_are_read(model, bring):
    expected = bring(model).plans.configuration("tiny").architecture

    def make_old(data):
        c = tiny(data)
        kwargs = c.pop("architecture")["arch_kwargs"]
        c |= {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 320}
        c |= {"conv_kernel_sizes": kwargs["kernel_sizes"], "pool_op_kernel_sizes": kwargs["strides"]}
        c |= {"n_conv_per_stage_encoder": kwargs["n_conv_per_stage"]}
        c |= {"n_conv_per_stage_decoder": kwargs["n_conv_per_stage_decoder"]}

    edit(model / "plans.json", make_old)
    assert bring(model).plans.configuration("tiny").architecture == expected


def test_numbers_stand_for_the_same_everywhere(model, bring):
    expected = bring(model).plans.configuration("tiny").architecture
    edit(model / "plans.json", lambda d: tiny(d)["architecture"]["arch_kwargs"].update(kernel_sizes=3))
    assert bring(model).plans.configuration("tiny").architecture == expected


def network(key, value):
    return lambda d: tiny(d)["architecture"]["arch_kwargs"].update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: tiny(d)["architecture"].update(network_class_name="a.b.MedNeXt"), "'a.b.MedNeXt', which nnplug"),
        (lambda d: tiny(d).update(resampling_fn_data="resample_torch_fornnunet"), "'resample_torch_fornnunet'"),
        (lambda d: tiny(d).update(normalization_schemes=["MyNormalization"]), "'MyNormalization', which nnplug"),
        (lambda d: tiny(d)["resampling_fn_seg_kwargs"].update(order_z=1), "resamples across slices to the nearest"),
        (
            lambda d: d.update(image_reader_writer="NoSuchReader"),
            "image_reader_writer: the reader is 'NoSuchReader', but no",
        ),
        (lambda d: tiny(d).pop("patch_size"), "configuration 'tiny': 'patch_size' is missing"),
        (network("conv_op", "torch.nn.Conv1d"), "conv_op is 'torch.nn.Conv1d'"),
        (network("norm_op", "torch.nn.GroupNorm"), "norm_op is 'torch.nn.GroupNorm'"),
        (network("nonlin", "torch.nn.ReLU"), "nonlin is 'torch.nn.ReLU'"),
        (network("nonlin_kwargs", {"negative_slope": 0.2}), "negative_slope = 0.2; nnplug's networks have 0.01"),
        (network("nonlin_first", True), "nonlin_first = True"),
        (network("features_per_stage", [4, 16]), "does not fit the network of the plans"),
    ],
)
def test_what_nnplug_does_not_have_is_named(model, bring, tmp_path, change, message):
    edit(model / "plans.json", change)
    with pytest.raises(InvalidFile, match=message):
        bring(model)
    assert not (tmp_path / "imported").exists()


def test_other_configurations_are_left_out_with_a_notice(model, bring):
    def add(data):
        data["configurations"]["odd"] = {"inherits_from": "tiny", "normalization_schemes": ["MyNormalization"]}

    edit(model / "plans.json", add)
    notices = Notices()
    assert set(bring(model, progress=notices).plans.configurations) == {"tiny"}
    assert "configuration 'odd'" in notices.lines[0]


def test_folds_are_chosen(model, bring):
    assert bring(model).record.folds == ("0", "1")
    assert bring(model, folds=["1"]).record.folds == ("1",)
    with pytest.raises(NnplugError, match=r"fold '7' has no checkpoint_final.pth; there are 0, 1"):
        bring(model, folds=["7"])
    with pytest.raises(NnplugError, match=r"no fold_\*/checkpoint_best.pth"):
        bring(model, checkpoint="best")


def resave(model, change):
    file = model / "fold_0" / "checkpoint_final.pth"
    data = torch.load(file, weights_only=True)
    change(data)
    torch.save(data, file)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_a_checkpoint_that_would_run_something_is_refused(model, bring, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resave(model, lambda d: d["logging"].update(x=Evil()))
    with pytest.raises(InvalidFile, match=r"checkpoint_final.pth: holds \w+.system, which nnplug does not run"):
        bring(model)
    assert not Path("evil").exists()


def test_an_unknown_trainer_and_planner_are_only_recorded(model, bring):
    resave(model, lambda d: d.update(trainer_name="OurTrainer"))
    edit(model / "plans.json", lambda d: d.update(experiment_planner_used="OurPlanner"))
    record = bring(model, folds=["0"]).record.record["0"]
    assert (record["trainer"], record["planner"]) == ("OurTrainer", "OurPlanner")


def test_the_configuration_is_that_of_the_checkpoint_with_what_it_inherits(model, bring):
    def add(data):
        data["configurations"] |= {"a": {"inherits_from": "tiny", "batch_size": 7}, "b": {"inherits_from": "a"}}

    edit(model / "plans.json", add)
    expected = bring(model).plans.configuration("tiny")
    resave(model, lambda d: d["init_args"].update(configuration="b"))
    bundle = bring(model, folds=["0"])
    found = bundle.plans.configuration(bundle.record.configuration)
    assert (bundle.record.configuration, found.batch_size, found.spacing) == ("b", 7, expected.spacing)
    assert found.architecture == expected.architecture


def test_a_configuration_that_the_plans_lack_is_named(model, bring):
    resave(model, lambda d: d["init_args"].update(configuration="nowhere"))
    with pytest.raises(InvalidFile, match=r"plans.json: configuration 'nowhere' is not there; there are tiny"):
        bring(model, folds=["0"])


@pytest.mark.parametrize("kept", [100, 5000, -100])
def test_a_checkpoint_cut_short_is_named(model, bring, kept):
    file = model / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InvalidFile, match=r"checkpoint_final.pth: truncated"):
        bring(model)


def test_the_numbers_that_nnunet_logs_are_read(model, bring):
    numbers = [np.float32(1), np.float64(2), np.int64(3), np.float16(4)]
    resave(model, lambda d: d["logging"].update(losses=numbers, best=np.bool_(True)))
    assert bring(model).record.folds == ("0", "1")


def test_folds_of_different_trainings_are_refused(model, bring):
    resave(model, lambda d: d.update(inference_allowed_mirroring_axes=None))
    with pytest.raises(InvalidFile, match="only folds of one training make a model"):
        bring(model)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "truncated"), (b"PK\x03\x04 garbage", "truncated"), (None, "'network_weights' is missing")],
)
def test_damaged_checkpoints_are_named(model, bring, content, message):
    file = model / "fold_0" / "checkpoint_final.pth"
    torch.save({}, file) if content is None else file.write_bytes(content)
    with pytest.raises(InvalidFile, match=message):
        bring(model)


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_checkpoints_with_a_damaged_pickle_are_named(model, bring, place):
    file = model / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(file) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(file, "w") as archive:
        for info, content in members:
            damaged = info.filename.endswith("data.pkl")
            archive.writestr(info, content[:place] + b"\0\xff" + content[place + 2 :] if damaged else content)
    with pytest.raises(InvalidFile, match=r"checkpoint_final.pth: "):
        bring(model)


def test_a_checkpoint_whose_tensor_is_too_short_is_named(model, bring):
    """A memory-mapped tensor would have the bytes that follow its record."""
    file = model / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(file) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size).filename
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(file, "w") as archive:
        for info, content in members:
            archive.writestr(info, content[: len(content) // 2] if info.filename == largest else content)
    with pytest.raises(InvalidFile, match=r"checkpoint_final.pth: truncated"):
        bring(model)


def test_a_checkpoint_with_another_byte_in_a_tensor_is_named(model, bring):
    file = model / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(file) as archive:
        content = archive.read(max(archive.infolist(), key=lambda info: info.file_size))
    whole = file.read_bytes()
    place = whole.index(content) + len(content) // 2
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(InvalidFile, match=r"checkpoint_final.pth: truncated"):
        bring(model)


def test_export_overwrites_nothing(make_bundle, model):
    with pytest.raises(NnplugError, match="exists already"):
        export_model(make_bundle(), model)


@pytest.mark.slow
def test_nnunet_predicts_with_our_weights(shared, bring, tmp_path):
    """Set ORACLE to the bin folder of an environment that has nnunetv2."""
    command = Path(os.environ.get("ORACLE", "")) / "nnUNetv2_predict_from_modelfolder"
    if not os.environ.get("ORACLE") or not command.is_file():
        pytest.skip("needs nnunetv2: set ORACLE to the bin folder of an environment that has it")
    folder = shared / "reference" / "models" / "hippocampus"
    bring(folder / "model")
    export_model(tmp_path / "imported", tmp_path / "exported")
    case = "hippocampus_001"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{case}_0000.nii.gz").symlink_to(folder / "images" / f"{case}_0000.nii.gz")
    words = ["-i", "in", "-o", "out", "-m", "exported", "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1"]
    places = dict.fromkeys(("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"), str(tmp_path))
    subprocess.run([command, *words], cwd=tmp_path, env={**os.environ, **places}, check=True)
    paths = (tmp_path / "out" / f"{case}.nii.gz", folder / "predictions" / f"{case}.nii.gz")
    ours, theirs = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in paths)
    assert np.mean(ours[(ours > 0) | (theirs > 0)] == theirs[(ours > 0) | (theirs > 0)]) > 0.998
