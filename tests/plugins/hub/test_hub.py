"""Bundles are pushed and pulled; nothing but their files is fetched, and labels are those of the local bundle."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nnplug.errors import NnplugError
from nnplug.io.images import read_label
from nnplug.models.ensemble_bundle import read_any
from nnplug_cli.main import main
from nnplug_hub.hub import HuggingFaceHub
from nnplug_hub.reference import Reference, parse_reference

from .conftest import make_bundle

NAME = "lab/liver"
QUICK = ("--device", "cpu", "--no-mirroring")


def nnplug(*words, code=0):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def predict(prepared, model, output):
    nnplug("predict", "-i", prepared.dataset.folder / "imagesTs", "-o", output, "-m", model, *QUICK)
    return {path.name: read_label(path).array.tobytes() for path in sorted(output.glob("*.nii.gz"))}


def test_a_bundle_is_pushed_and_predicts_as_the_local_one_also_offline(hub, prepared, bundle, tmp_path, monkeypatch):
    from huggingface_hub import constants

    pushed, following = nnplug("model", "push", bundle, f"hf:{NAME}").stdout.splitlines()
    first, _ = hub.commits[NAME][-1]
    assert pushed == f"model: hf:{NAME}@{first}"
    assert following == f"next: nnplug predict -i IMAGES -o PREDICTIONS -m hf:{NAME}@{first}"
    assert hub.tokens == {"Bearer hf_test"}
    local = predict(prepared, bundle, tmp_path / "local")
    assert len(local) == 2
    assert predict(prepared, f"hf:{NAME}", tmp_path / "pulled") == local
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert predict(prepared, f"hf:{NAME}@{first}", tmp_path / "offline") == local
    assert predict(prepared, f"hf:{NAME}", tmp_path / "newest") == local
    assert len(hub.asked) == asked
    result = nnplug("predict", "-i", tmp_path, "-o", tmp_path / "x", "-m", "hf:lab/other", code=1)
    assert "hf:lab/other: is not in the cache, and the Hub is not asked or does not answer" in result.stderr


def test_a_revision_is_pulled_as_it_was(hub, prepared, bundle, tmp_path):
    other = make_bundle(prepared, tmp_path / "other", seed=1)
    printed = [nnplug("model", "push", one, f"hf:{NAME}").stdout.splitlines()[0] for one in (bundle, other)]
    first, second = (line.removeprefix("model: ") for line in printed)
    assert first != second
    assert files_of(HuggingFaceHub().fetch(first)) == files_of(bundle)
    assert files_of(HuggingFaceHub().fetch(NAME)) == files_of(other)
    read_any(HuggingFaceHub().fetch(second))  # verifies every file; links would be refused
    with pytest.raises(NnplugError, match="hf:lab/liver@v9: the model has no such revision"):
        HuggingFaceHub().fetch(f"{NAME}@v9")


def test_only_the_files_of_the_bundle_are_fetched(hub, bundle):
    hub.commit(NAME, {**files_of(bundle), "model.pth": b"pickle", "train.py": b"print()", "README.md": b""})
    assert files_of(HuggingFaceHub().fetch(NAME)) == files_of(bundle)
    fetched = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert fetched == {Path(name).name for name in files_of(bundle)}


def test_pickles_are_refused_before_anything_is_downloaded(hub, bundle):
    hub.commit(NAME, {"fold_0/checkpoint_final.pth": b"pickle", "plans.json": b"{}"})
    with pytest.raises(
        NnplugError, match="is no bundle but has fold_0/checkpoint_final.pth, a pickle, which could run"
    ):
        HuggingFaceHub().fetch(NAME)
    index = json.loads((bundle / "bundle.json").read_text())
    index["sha256"]["a.pkl"] = "0" * 64
    hub.commit("lab/other", {**files_of(bundle), "bundle.json": json.dumps(index).encode(), "a.pkl": b"pickle"})
    with pytest.raises(NnplugError, match="holds 'a.pkl'; a bundle has .json and .safetensors files only"):
        HuggingFaceHub().fetch("lab/other")
    assert {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line} == {"bundle.json"}
    hub.commit("lab/text", {"README.md": b""})
    with pytest.raises(NnplugError, match=r"hf:lab/text: is no bundle of nnplug \(bundle.json is missing\)"):
        HuggingFaceHub().fetch("lab/text")


def test_a_listed_file_that_is_not_there_and_a_repository_that_is_not_there(hub, bundle):
    hub.commit(NAME, {"bundle.json": (bundle / "bundle.json").read_bytes()})
    with pytest.raises(NnplugError, match="hf:lab/liver: lacks a file"):
        HuggingFaceHub().fetch(NAME)
    with pytest.raises(NnplugError, match="hf:lab/none: no such model, or it is private and HF_TOKEN does not open it"):
        HuggingFaceHub().fetch("lab/none")


@pytest.mark.parametrize("text", ["", "liver", "lab/liver/x", "lab/liver@", "../x", "lab/a b"])
def test_references_of_another_form_are_refused(text):
    with pytest.raises(NnplugError, match="names no model; expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION"):
        parse_reference(text)


def test_a_reference_with_scheme_and_without():
    assert parse_reference("hf:a/b@v1.0") == parse_reference("a/b@v1.0") == Reference("a/b", "v1.0")
    assert str(Reference("a/b", "v1.0")) == "hf:a/b@v1.0"


def card_of(hub, name=NAME):
    text = hub.commits[name][-1][1]["README.md"].decode()
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_card_has_what_the_bundle_says_and_nothing_else(hub, prepared, bundle, tmp_path):
    nnplug("model", "push", bundle, f"hf:{NAME}", "--private")
    assert hub.private[NAME]
    front, body = card_of(hub)
    assert (front["library_name"], front["pipeline_tag"]) == ("nnplug", "image-segmentation")
    assert {"nnplug", "3d"} < set(front["tags"])
    assert "metrics" not in front
    for title in ("Intended use", "Dice", "Citation"):
        assert f"## {title}\n\nnot stated" in body
    assert "- training cases: not stated" in body
    assert f"nnplug predict -i IMAGES -o OUT -m hf:{NAME}" in body


def test_the_card_has_licence_citation_and_dice_where_they_are_given(hub, bundle, tmp_path):
    raw = json.loads((bundle / "dataset.json").read_text())
    told = {"licence": "CC-BY-SA 4.0", "citation": "A. Author, 2026", "intended_use": "Research on phantoms."}
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "dataset.json").write_text(json.dumps({**raw, **told}))
    rewrite_index(copy, licence="CC-BY-SA 4.0")
    summary = tmp_path / "summary.json"
    figures = {"foreground_mean": {"Dice": 0.75}, "mean": {"1": {"Dice": 0.5}, "2": {"Dice": None}}}
    summary.write_text(json.dumps({**figures, "metric_per_case": []}))
    nnplug("model", "push", copy, f"hf:{NAME}", "--summary", summary)
    front, body = card_of(hub)
    assert (front["license"], front["metrics"]) == ("cc-by-sa-4.0", ["dice"])
    classes = [name for name in raw["labels"] if name != "background"]
    assert f"| {classes[0]} | 0.5000 |\n| {classes[1]} | not stated |\n| mean | 0.7500 |" in body
    assert "## Citation\n\nA. Author, 2026" in body
    assert "## Intended use\n\nResearch on phantoms." in body
    rewrite_index(copy, licence="Our own terms")
    nnplug("model", "push", copy, f"hf:{NAME}")
    assert {"license": "other", "license_name": "our-own-terms"}.items() <= card_of(hub)[0].items()
    hub.commit(NAME, {"README.md": b"my own words"})
    nnplug("model", "push", copy, f"hf:{NAME}", "--keep-card")
    assert hub.commits[NAME][-1][1]["README.md"] == b"my own words"


def rewrite_index(folder, *, licence):
    from nnplug.runtime.digests import sha256

    index = json.loads((folder / "bundle.json").read_text())
    index["licence"], index["sha256"]["dataset.json"] = licence, sha256(folder / "dataset.json")
    (folder / "bundle.json").write_text(json.dumps(index))


def test_a_push_to_a_revision_is_refused(hub, bundle):
    result = nnplug("model", "push", bundle, f"hf:{NAME}@v1", code=1)
    assert "hf:lab/liver@v1: a push makes a revision of its own; leave out @v1" in result.stderr
    assert hub.commits == {}


PAGE = Path(__file__).parents[3] / "docs" / "hub.md"


def test_the_commands_of_the_page_run(hub, prepared, bundle, tmp_path, monkeypatch):
    import re

    from huggingface_hub import constants

    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()
    ]
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps({"foreground_mean": {"Dice": 0.5}, "mean": {}, "metric_per_case": []}))
    words = {
        "BUNDLE": bundle,
        "IMAGES": prepared.dataset.folder / "imagesTs",
        "OUT": tmp_path / "out",
        "WORK": prepared.workspace.root,
        "Dataset123_Liver": prepared.dataset.folder,
        "summary.json": summary,
    }
    done = []
    for line in lines:
        command, *rest = shlex.split(line, comments=True)
        if command.startswith("HF_HUB_OFFLINE"):
            monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
            command, *rest = rest
        if command != "nnplug":
            assert command in ("pip", "export", "hf"), line
            continue
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        newest = hub.commits[NAME][-1][0] if NAME in hub.commits else ""
        given = [re.sub(r"@v1.0$", f"@{newest}", str(words.get(word, word))) for word in rest]
        extra = QUICK if rest[0] in ("predict", "train") else ()
        nnplug(*given, *extra)
        done.append(" ".join(rest[:2]) if rest[0] == "model" else rest[0])
    assert done == ["model push", "model push", "predict", "predict", "train", "predict"]
    (record,) = prepared.workspace.root.rglob("run.json")
    assert "/nnplug/lab--liver/" in json.loads(record.read_text())["pretrained"]["model"]
