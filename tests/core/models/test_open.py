import gc
import zipfile

import pytest
from safetensors.torch import load_file

from nnplug.errors import NnplugError, Problems
from nnplug.models.bundle import write_bundle
from nnplug.models.open import open_model


def values(model):
    (member,) = model.members
    return [load_file(file)["w"][0].item() for file in member.weights]


def test_a_run_opens(make_run, plans, provider):
    model = open_model(make_run(0).path)
    assert values(model) == [0.0]
    (member,) = model.members
    assert (member.configuration, member.mirror_axes) == ("3d_fullres", (0, 1, 2))
    assert (model.plans, member.providers, model.postprocessing) == (plans, (provider,), None)


def test_the_folds_of_a_configuration_open_by_number(make_run):
    first, *_ = [make_run(fold) for fold in (10, 2, "all")]
    folder = first.path.parent
    assert values(open_model(folder)) == [2.0, 10.0]
    assert values(open_model(folder, folds=["all"])) == [100.0]
    assert values(open_model(folder, folds=["10", "2"])) == [10.0, 2.0]


def test_the_best_weights_open(make_run):
    assert values(open_model(make_run(1).path, weights="best")) == [1.5]


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_opens(make_run, tmp_path, name):
    rule = {"schema": 1}
    write_bundle([make_run(0), make_run(1)], tmp_path / name, postprocessing=rule)
    model = open_model(tmp_path / name, folds=["1"])
    assert values(model) == [1.0]
    assert model.postprocessing == rule
    with pytest.raises(NnplugError, match="holds the final weights only"):
        open_model(tmp_path / name, weights="best")


def test_the_files_of_a_zip_go_with_the_model(make_run, tmp_path):
    write_bundle([make_run(0)], tmp_path / "b.zip")
    model = open_model(tmp_path / "b.zip")
    (file,) = model.members[0].weights
    del model
    gc.collect()
    assert not file.exists()


def test_an_error_of_a_zip_names_it(make_run, tmp_path):
    write_bundle([make_run(0)], tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr("x/plans.json", "{}")
    with pytest.raises(Problems) as error:
        open_model(tmp_path / "b.zip")
    assert error.value.lines[0].startswith(f"{tmp_path / 'b.zip'}/x/plans.json: is not listed in bundle.json")


def test_an_unfinished_training_is_named(make_run):
    run = make_run(0, finished=False)
    with pytest.raises(NnplugError, match=r"fold_0: training is not finished .* or use the best weights so far"):
        open_model(run.path)


def test_weights_without_their_run_are_refused(make_run):
    run = make_run(0)
    with pytest.raises(NnplugError, match=rf"weights_final.safetensors: has weights alone; give .*, {run.path}$"):
        open_model(run.final_weights)


def test_an_absent_fold_lists_what_there_is(make_run):
    make_run(0)
    folder = make_run(1).path.parent
    with pytest.raises(NnplugError, match="has no fold '4'; it has 0, 1"):
        open_model(folder, folds=["4"])


@pytest.mark.parametrize(
    "fields", [{"plans_digest": "other"}, {"configuration": "2d"}, {"mirror_axes": ()}], ids=lambda f: next(iter(f))
)
def test_folds_of_different_trainings_are_refused(make_run, fields):
    make_run(0)
    folder = make_run(1, **fields).path.parent
    with pytest.raises(NnplugError, match=f"fold_1: {next(iter(fields))} is .* only folds of one training"):
        open_model(folder)


def test_what_is_no_model_is_told_apart(tmp_path):
    with pytest.raises(NnplugError, match="no such file or folder"):
        open_model(tmp_path / "absent")
    with pytest.raises(NnplugError, match=r"no model; give a run"):
        open_model(tmp_path)
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "fold_0" / "checkpoint_final.pth").touch()
    with pytest.raises(NnplugError, match="a model of nnU-Net v2; import it"):
        open_model(tmp_path)


def test_a_changed_bundle_is_not_opened(make_run, tmp_path):
    write_bundle([make_run(0)], tmp_path / "b")
    (tmp_path / "b" / "fold_0" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(Problems, match=r"weights.safetensors: has sha256"):
        open_model(tmp_path / "b")


def test_a_fold_that_was_only_begun_is_left_out_by_name(make_run):
    first, _, begun = make_run(0), make_run(1), make_run(2, finished=False, best=False)
    model = open_model(first.path.parent)
    assert values(model) == [0.0, 1.0]
    (line,) = model.left_out
    assert line == f"{begun.path}: its training is not finished; it is left out, and fold 0, 1 taken"
    assert open_model(first.path.parent, folds=["0"]).left_out == ()
    with pytest.raises(NnplugError, match="fold_2: training is not finished"):
        open_model(first.path.parent, folds=["0", "2"])
