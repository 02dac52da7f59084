"""Bundles of ensembles: everything for one prediction in one file, each member usable alone."""

import json

import pytest
from safetensors.torch import load_file

from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.models.bundle import contents_of, read_bundle
from nnplug.models.ensemble_bundle import EnsembleBundle, import_bundle, pack_ensemble, read_any, requirements
from nnplug.models.open import open_member, open_model
from nnplug.workspace.runs import open_run

RULE = {
    "schema": 1,
    "provider": {
        "kind": "postprocessor",
        "name": "tidy",
        "target": "tidy:Tidy",
        "plugin": "tidy",
        "distribution": "nnplug-tidy",
        "version": "2.0",
        "state_version": 1,
    },
    "labels": {"background": 0, "a": 1},
    "rule": {},
}


@pytest.fixture(params=["bundle", "bundle.zip"])
def packed(request, make_run, tmp_path):
    members = {name: contents_of([open_run(make_run(fold).path)], "final") for fold, name in enumerate(["one", "two"])}
    pack_ensemble(members, tmp_path / request.param, postprocessing=RULE, record={"dice": 0.5})
    return tmp_path / request.param


@pytest.fixture
def folder(packed, tmp_path):
    if packed.is_dir():
        return packed
    import_bundle(packed, tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_members_and_rule_open_together_and_each_alone(packed, folder):
    models = open_model(packed)
    assert [load_file(model.weights[0])["w"][0].item() for model in models.members] == [0.0, 1.0]
    assert models.postprocessing == RULE
    assert open_model(folder / "members" / "two").members == (open_member(folder / "members" / "two"),)
    assert read_any(folder).record.licence == "CC0"
    assert read_any(folder).record.record == {"dice": 0.5}


def test_files_of_a_zip_live_as_long_as_one_of_its_models(packed):
    models = open_model(packed)
    last, rest = models.members[1], models
    del models, rest
    assert last.weights[0].is_file()


def test_an_ensemble_and_another_model_are_averaged_without_their_rules(packed, make_run):
    models = open_model(packed, make_run(2).path)
    assert len(models.members) == 3
    assert models.postprocessing is None


def test_what_to_install_holds_the_rules_distribution_and_not_the_trainers(folder):
    assert requirements(read_any(folder)) == ["nnplug-nnunet==0.1.0", "nnplug-tidy==2.0"]
    assert requirements(read_any(folder / "members" / "one")) == ["nnplug-nnunet==0.1.0"]


def test_where_one_model_is_wanted_an_ensemble_is_refused(folder):
    with pytest.raises(NnplugError, match="is an ensemble of 2 models; give one of its members/"):
        open_member(folder)
    with pytest.raises(InvalidFile, match="an ensemble of one, two; give one of its members/"):
        read_bundle(folder)


def test_a_changed_file_of_a_member_is_named(folder):
    (folder / "members" / "two" / "plans.json").write_text("{}")
    with pytest.raises(Problems, match=r"members/two/plans.json: has sha256"):
        read_any(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=2), "bundle has schema 2, this nnplug reads up to 1. Upgrade nnplug."),
        (lambda d: d.update(members=["one", "three"]), "lists no members/three/bundle.json"),
        (lambda d: d.update(members=[]), "lists no members"),
        (lambda d: d["sha256"].update({"../up.json": "0"}), "holds '../up.json', which leads out of the bundle"),
        (lambda d: d.update(members=["../one"]), r"lists no members/\.\./one/bundle.json"),
    ],
)
def test_an_unsafe_or_newer_list_is_refused(folder, change, message):
    data = json.loads((folder / "bundle.json").read_text())
    change(data)
    (folder / "bundle.json").write_text(json.dumps(data))
    with pytest.raises(InvalidFile, match=message):
        read_any(folder)


def test_it_is_of_another_sort_than_a_models(folder):
    assert isinstance(read_any(folder), EnsembleBundle)
    assert not isinstance(read_any(folder / "members" / "one"), EnsembleBundle)
