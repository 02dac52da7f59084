"""The short form of the campaign: files of every format are damaged, and the judge sees what is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest
from tests.torture.damage.archives import damage_checkpoint, damage_npy, damage_safetensors, damage_zip
from tests.torture.damage.forked import Outcome
from tests.torture.damage.images import damage_image
from tests.torture.damage.judge import faults, listing
from tests.torture.damage.targets import Target, targets
from tests.torture.damage.text import damage_json, damage_json_lines, damage_table
from tests.torture.results import ROOT

FINE = Outcome(1, 0.1, 0, "", "error: a.json: not valid JSON\n")
TARGET = Target("a", "s/a.json", damage_json, ("nnplug verify s",))


def test_damaged_images_of_every_format_are_told_in_a_line(tmp_path):
    """In a process of its own, because the campaign forks after its imports."""
    words = [sys.executable, "-m", "tests.torture.damage", "--formats", "--inputs", "20", "--seed", "5"]
    folders = ["--lines", tmp_path / "lines.jsonl", "--folder", tmp_path]
    done = subprocess.run([*map(str, words + folders)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 5\n")
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 20


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"code": 0, "stderr": ""}, []),
        ({"code": None}, ["did not end in 0 seconds"]),
        ({"code": -11}, ["exit code -11"]),
        ({"grown": 2 << 30}, ["took 2.1 GB"]),
        ({"stderr": "error: broken"}, ["the message does not name the file"]),
        ({"stderr": "a.json"}, ["no line that begins with error:"]),
        ({"stderr": "Traceback (most recent call last)\nerror: a.json"}, ["traceback"]),
    ],
)
def test_the_judge_sees_what_is_wrong(changed, told, tmp_path):
    outcome = replace(FINE, **changed)
    assert list(faults(TARGET, "nnplug verify s", outcome, listing(tmp_path), tmp_path)) == told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (".0123abcd-a.json", "{}", ".0123abcd-a.json is left"),
        ("INTRUDED", "", "INTRUDED was created by what is in the file"),
        ("a.json", "{", "a.json is half written"),
        ("a.nii.gz", "x", "a.nii.gz is half written"),
    ],
)
def test_the_judge_sees_what_is_left(name, content, told, tmp_path):
    before = listing(tmp_path)
    (tmp_path / name).write_text(content)
    (found,) = faults(TARGET, "nnplug verify s", FINE, before, tmp_path)
    assert found.startswith(told)


def test_equal_seeds_give_equal_damage():
    text = b'{"a": [1, 2.5, "x"], "b": {"c": null}}'
    for damage in (damage_json, damage_json_lines, damage_table):
        made = [damage(text, Random(seed)) for seed in range(40)]
        assert made == [damage(text, Random(seed)) for seed in range(40)]
        assert len(set(made)) > 9


def test_every_target_has_a_damage_of_its_format():
    own = {getattr(target.damage, "func", target.damage) for target in targets()}
    assert {damage_json, damage_json_lines, damage_table, damage_zip, damage_checkpoint, damage_image} <= own
    assert {damage_npy, damage_safetensors} <= own
