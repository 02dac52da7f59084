import copy
import json

import msgspec
import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, NnplugError
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider

FULLRES = {
    "spacing": [2.0, 1.0, 1.0],
    "patch_size": [32, 64, 64],
    "batch_size": 2,
    "median_shape": [50.0, 200.0, 199.5],
    "normalization": [{"name": "ct", "use_mask": False}],
    "resampling": {"image": {"order": 3}, "label": {"order": 1}, "probability": {"order": 1}},
    "batch_dice": False,
    "architecture": {"name": "plain-conv-unet", "options": {"n_stages": 5, "anything": None}},
}
DATA = {
    "schema": 1,
    "dataset": "Dataset001_A",
    "name": "nnunet",
    "recipe": "nnunet",
    "choices": {"trainer": {"name": "nnunet", "options": {"epochs": 5}}},
    "transpose_forward": [2, 0, 1],
    "transpose_backward": [1, 2, 0],
    "median_spacing": [2.0, 1.0, 1.0],
    "median_shape": [50.0, 200.0, 199.5],
    "intensity": {},
    "configurations": {"3d_fullres": FULLRES},
}


def changed(*path, to):
    data = copy.deepcopy(DATA)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return data


def read(data):
    return Plans.from_data(data, "p.json")


def test_plans_written_are_plans_read(tmp_path):
    plans = read(DATA)
    plans.write(tmp_path / "p.json")
    assert read_plans(tmp_path / "p.json") == plans


def test_configurations_inherit_and_the_child_wins():
    children = {
        "wide": {"inherits_from": "3d_fullres", "batch_size": 4},
        "wider": {"inherits_from": "wide", "patch_size": [64, 64, 64]},
        "3d_fullres": FULLRES,
    }
    plans = read(changed("configurations", to=children))
    assert plans.configuration("wider").batch_size == 4
    assert plans.configuration("wider").patch_size == (64, 64, 64)
    assert plans.configuration("wider").spacing == (2, 1, 1)
    assert plans.configuration("3d_fullres").batch_size == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"p.json: no plans of nnplug \('schema' is missing\). Plan the dataset again"),
        ({}, "no plans of nnplug"),
        (changed("schema", to=2), "p.json: plans have schema 2, this nnplug reads up to 1. Upgrade nnplug."),
        ({k: v for k, v in DATA.items() if k != "name"}, "missing required field 'name'"),
        (changed("colour", to=1), "unknown field 'colour'"),
        (changed("configurations", "3d_fullres", "patch", to=1), "configuration '3d_fullres': .*unknown field 'patch'"),
        (changed("configurations", "3d_fullres", "batch_size", to="2"), "configuration '3d_fullres': .*batch_size"),
        (changed("configurations", "3d_fullres", to=3), "configuration '3d_fullres': Expected 'object', got 'int'"),
        (changed("configurations", to=3), r"Expected 'object', got 'int' - at '\$.configurations'"),
        (
            changed("choices", "schedule", to={"name": "x"}),
            "choices name the unknown kind 'schedule'. Kinds are extractor, ",
        ),
        (changed("transpose_backward", to=[2, 0, 1]), r"transpose_backward \[2, 0, 1\] does not undo .* \[2, 0, 1\]"),
        (changed("transpose_forward", to=[2, 0, 7]), "does not undo"),
        (changed("transpose_backward", to=[1, 2, 9]), "does not undo"),
        (changed("configurations", "3d_fullres", "batch_size", to=0), "batch_size is 0; expected at least 1"),
        (
            changed("configurations", "3d_fullres", "patch_size", to=[64, 64]),
            r"spacing is \[2.0, 1.0, 1.0\]; expected 2",
        ),
        (changed("configurations", "3d_fullres", "patch_size", to=[0, 64, 64]), r"patch_size is \[0, 64, 64\]"),
        (changed("configurations", "3d_fullres", "median_shape", to=[]), r"median_shape is \[\]; expected 2 or 3"),
        (
            changed("configurations", "3d_fullres", "previous_stage", to="low"),
            "previous_stage is 'low', which the plans",
        ),
        (
            changed(
                "configurations", to={"a": {**FULLRES, "previous_stage": "b"}, "b": {**FULLRES, "previous_stage": "a"}}
            ),
            "configurations a -> b -> a refine each other",
        ),
        (changed("name", to="../victim"), "plans '../victim': no file can have this name. Use letters"),
        (changed("name", to=""), "plans '': no file can have this name"),
        (changed("configurations", "a\\b", to=FULLRES), r"configuration 'a.*b': no file can have this name"),
        (changed("configurations", ".a", to=FULLRES), "configuration '.a': no file can have this name"),
        (changed("configurations", "a", to={"inherits_from": "b"}), "'a' inherits from 'b', which is not there"),
        (
            changed("configurations", to={"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}}),
            "configurations a -> b -> a inherit from each other",
        ),
    ],
)
def test_what_cannot_be_is_named(data, message):
    with pytest.raises(InvalidFile, match=f"^p.json: .*{message.removeprefix('p.json: ')}"):
        read(data)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidFile, match=r"p\.json: no such file"):
        read_plans(tmp_path / "p.json")


def test_an_unknown_configuration_lists_those_there_are():
    with pytest.raises(
        NnplugError, match=r"plans 'nnunet' have 3d_fullres, not '3d_fulres'\. Did you mean '3d_fullres'"
    ):
        read(DATA).configuration("3d_fulres")


def test_a_kind_that_nobody_chose_says_what_to_do():
    assert read(DATA).choice(Kind.TRAINER).options == {"epochs": 5}
    with pytest.raises(NnplugError, match=r"choose no augmenter\. Plan the dataset again"):
        read(DATA).choice(Kind.AUGMENTER)


def test_the_digest_follows_decisions_and_not_the_layout_of_the_file():
    turned = json.loads(json.dumps(DATA, indent=7, sort_keys=True))
    assert read(turned).digest() == read(DATA).digest()
    assert read(changed("configurations", "3d_fullres", "batch_size", to=3)).digest() != read(DATA).digest()


def test_a_newer_plugin_leaves_the_digest():
    plans = read(DATA)
    provider = Provider(
        kind=Kind.TRAINER, name="nnunet", target="a.b:C", plugin="nnunet", distribution="nnplug-nnunet",
        version="0.1.0", state_version=1,
    )  # fmt: skip
    old = msgspec.structs.replace(plans, providers=(provider,))
    new = msgspec.structs.replace(plans, providers=(msgspec.structs.replace(provider, version="0.2.0"),))
    assert old.digest() == new.digest() == plans.digest()


def test_dimensions_are_those_of_the_patch():
    assert read(DATA).configuration("3d_fullres").dimensions == 3


CASCADE = {
    "3d_fullres": FULLRES,
    "3d_lowres": {**FULLRES, "next_stage": "3d_cascade_fullres"},
    "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres", "next_stage": "finest"},
    "finest": {"inherits_from": "3d_fullres", "previous_stage": "3d_cascade_fullres"},
}


def test_a_chain_ends_with_the_configuration_itself():
    plans = read(changed("configurations", to=CASCADE))
    assert plans.chain("3d_fullres") == ("3d_fullres",)
    assert plans.chain("finest") == ("3d_lowres", "3d_cascade_fullres", "finest")
    assert plans.next_stages("3d_lowres") == ("3d_cascade_fullres",)
    assert plans.next_stages("finest") == ()


@pytest.mark.parametrize(("name", "kept"), [("3d_fullres", 1), ("3d_lowres", 1), ("3d_cascade_fullres", 2)])
def test_plans_of_one_configuration_hold_what_leads_to_it(name, kept):
    alone = read(changed("configurations", to=CASCADE)).only(name)
    assert len(alone.configurations) == kept
    assert alone.configuration(name).next_stage is None
    assert read(alone.data()) == alone


def test_a_refining_network_takes_a_channel_per_label_more():
    raw = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2, "ignore": 3}, "numTraining": 1}
    description = DatasetDescription.from_data({**raw, "file_ending": ".nii.gz"}, "d.json")
    plans = read(changed("configurations", to=CASCADE))
    refining, plain = plans.configuration("3d_cascade_fullres"), plans.configuration("3d_lowres")
    assert (refining.previous_labels(description.labels), refining.input_channels(description)) == ((1, 2), 3)
    assert (plain.previous_labels(description.labels), plain.input_channels(description)) == ((), 1)


def test_configurations_with_the_same_cases_share_them():
    plans = read(changed("configurations", to={**CASCADE, "other": {**FULLRES, "batch_size": 9}}))
    assert [plans.store_name(name) for name in plans.configurations] == ["3d_fullres"] * 5
    coarse = {**CASCADE, "3d_lowres": {**FULLRES, "spacing": [4.0, 2.0, 2.0]}}
    assert read(changed("configurations", to=coarse)).store_name("3d_lowres") == "3d_lowres"
