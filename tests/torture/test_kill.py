"""The short form of the campaign: kills at two changes of files and at an instant; and that a difference is found."""

import random

import pytest
from tests.torture import kill
from tests.torture.kill import Campaign, Kill, planned, table, trial
from tests.torture.scenes import SCENES
from tests.torture.tree import contents, differences


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, server):
    return Campaign(tmp_path_factory.mktemp("kill"), server)


def test_a_run_that_is_killed_ends_as_one_that_is_not(campaign, monkeypatch):
    kills = [Kill("preprocess", 1, "file", 5), Kill("train", 1, "time", 0.1), Kill("train", 1, "file", 4)]
    monkeypatch.setattr(kill, "planned", lambda *args: kills)
    line = trial(campaign, "one fold", random.Random(1), 3)
    assert [(one["stage"], one["killed"], one["code"]) for one in line["kills"]] == [
        ("preprocess", True, -9),
        ("train", True, -9),
        ("train", True, -9),
    ]
    assert line["faults"] == []
    weights = campaign.folder / "trial" / "Dataset999_Phantom/runs/nnunet/3d_fullres/fold_0/weights_final.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    name = weights.relative_to(campaign.folder / "trial").as_posix()
    assert differences(contents(campaign.folder / "trial"), campaign.reference("one fold").contents) == [
        f"{name}: differs"
    ]


def test_kills_are_spread_over_the_stages_that_were_measured(campaign):
    reference = campaign.reference("one fold")
    kills = [one for seed in range(30) for one in planned(SCENES["one fold"], reference, random.Random(seed), 4)]
    assert {one.stage for one in kills} == set(SCENES["one fold"].stages)
    assert {one.how for one in kills} == {"time", "file"}
    assert all(one.after >= 0 for one in kills)


def test_the_table_counts_kills_by_stage_and_way_and_equal_ends():
    hit = {"stage": "train", "how": "time", "killed": True}
    lines = [
        {"kills": [hit, hit | {"killed": False}], "faults": []},
        {"kills": [hit | {"how": "file"}], "faults": ["x"]},
    ]
    _, rows = table(lines)
    assert rows == [["train", "1", "1", "0", "1"], ["all", "1", "1", "0", "1"]]
