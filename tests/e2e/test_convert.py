"""Real cases in other layouts become the same dataset again, by the installed command."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import read_image, read_label

CASES = 3


@pytest.fixture
def original(shared):
    return Dataset.open(shared / "data" / "Dataset004_Hippocampus")


def decathlon(dataset, folder):
    """As the Medical Segmentation Decathlon gave these images away."""
    source, cases = folder / "Task04_Hippocampus", dataset.training_cases()
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (source / name).mkdir(parents=True)
    for case in cases[:CASES]:
        shutil.copy(case.images[0], source / "imagesTr" / f"{case.name}.nii.gz")
        shutil.copy(case.label, source / "labelsTr")
    shutil.copy(cases[CASES].images[0], source / "imagesTs" / f"{cases[CASES].name}.nii.gz")
    (source / "dataset.json").write_text(
        json.dumps(
            {
                "name": "Hippocampus",
                "tensorImageSize": "3D",
                "licence": "CC-BY-SA 4.0",
                "modality": {"0": "MRI"},
                "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
                "numTraining": CASES,
                "training": [
                    {"image": f"./imagesTr/{c.name}.nii.gz", "label": f"./labelsTr/{c.name}.nii.gz"}
                    for c in cases[:CASES]
                ],
                "test": [f"./imagesTs/{cases[CASES].name}.nii.gz"],
            }
        )
    )
    return source, "msd", ()


def version_1(dataset, folder):
    """As nnU-Net v1 kept them."""
    source, _, _ = decathlon(dataset, folder)
    for file in source.glob("images*/*.nii.gz"):
        file.rename(file.with_name(file.name.replace(".nii.gz", "_0000.nii.gz")))
    return source.rename(folder / "Task004_Hippocampus"), "nnunet-v1", ()


def pairs(dataset, folder):
    """As somebody else would name them."""
    source = folder / "export"
    for name in ("images", "labels"):
        (source / name).mkdir(parents=True)
    for case in dataset.training_cases()[:CASES]:
        shutil.copy(case.images[0], source / "images" / f"MR_{case.name}.nii.gz")
        shutil.copy(case.label, source / "labels" / f"{case.name}-seg.nii.gz")
    names = 'converter.classes={"Anterior": 1, "Posterior": 2}'
    return source, "pairs", ("--set", 'converter.channels=["MRI"]', "--set", names)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    "layout", [decathlon, pytest.param(version_1, marks=pytest.mark.slow), pytest.param(pairs, marks=pytest.mark.slow)]
)
def test_a_layout_becomes_the_dataset_that_it_was(layout, original, nnplug, tmp_path):
    source, kind, options = layout(original, tmp_path)
    before = digests(source)
    target = tmp_path / "Dataset004_Hippocampus"
    nnplug("dataset", "convert", kind, source, target, *options, "--dry-run", check=True)
    assert not target.exists()
    done = nnplug("dataset", "convert", kind, source, target, *options, check=True)
    assert f"{CASES} cases read, 0 problems" in done.stdout
    assert digests(source) == before
    made = Dataset.open(target)
    assert made.description.labels == original.description.labels
    assert made.description.channel_names == original.description.channel_names
    for ours, theirs in zip(made.training_cases(), original.training_cases()[:CASES], strict=True):
        assert ours.name == theirs.name
        assert read_image(ours.images).geometry == read_image(theirs.images).geometry
        np.testing.assert_array_equal(read_image(ours.images).array, read_image(theirs.images).array)
        np.testing.assert_array_equal(read_label(ours.label).array, read_label(theirs.label).array)
    unseen = [path.name for path in (target / "imagesTs").glob("*")] if kind != "pairs" else []
    assert unseen == ([] if kind == "pairs" else [f"{original.training_cases()[CASES].name}_0000.nii.gz"])


@pytest.mark.slow
def test_training_begins_with_a_model_that_nnunet_trained(shared, nnplug, tiny, tmp_path):
    """Of the same network, and a line that names what does not fit for another one."""
    dataset, model = shared / "data" / "Dataset004_Hippocampus", tmp_path / "hippocampus.zip"
    small = tmp_path / "Dataset004_Hippocampus"
    for name in ("imagesTr", "labelsTr"):
        (small / name).mkdir(parents=True)
    for case in Dataset.open(dataset).training_cases()[:6]:
        shutil.copy(case.images[0], small / "imagesTr")
        shutil.copy(case.label, small / "labelsTr")
    raw = json.loads((dataset / "dataset.json").read_text())
    (small / "dataset.json").write_text(json.dumps({**raw, "numTraining": 6}))
    nnplug("model", "import-nnunet", shared / "reference/models/hippocampus/model", "-o", model, check=True)
    where, short = ("-w", tmp_path / "w"), ("--device", "cpu", "--no-mirroring", "--set", "trainer.epochs=1")
    short += ("--set", "trainer.iterations_per_epoch=1", "--set", "trainer.val_iterations_per_epoch=1")
    nnplug("fingerprint", small, *where, check=True)
    nnplug("plan", small, *where, "--from", model, "--name", "theirs", check=True)
    configuration = json.loads(nnplug("model", "show", model, "--json", check=True).stdout)["configuration"]
    nnplug("preprocess", small, *where, "--name", "theirs", "-c", configuration, check=True)
    words = ("train", small, *where, "-f", "0", *short, "--pretrained", model)
    done = nnplug(*words, "--name", "theirs", "-c", configuration, check=True)
    assert f"begins with {model}; at random begin " in done.stderr
    nnplug("run", small, *where, "-c", "3d_fullres", "--until", "preprocess", *tiny, check=True)
    refused = nnplug(*words, "-c", "3d_fullres")
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert f"{model}: its network is another one: " in line
    assert " instead of " in line
    assert f"Plan the dataset with nnplug plan --from {model}" in line
