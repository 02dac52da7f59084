from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.conversion.convert import convert, plan_conversion
from nnplug.errors import InvalidFile, InvalidOptions, Problems
from nnplug.io.images import read_image, read_label
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_nnunet.converters import Decathlon, NnunetV1, Pairs

HOW = {"executor": LocalExecutor(2), "progress": Silent()}


def save(path, array, *, vector=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.asarray(array), isVector=vector), str(path))


def photograph(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_decathlon_splits_channels_and_turns_labels_round(tmp_path):
    tmp_path = tmp_path / "Task01_A"
    tmp_path.mkdir()
    Decathlon().example(tmp_path)
    for file in tmp_path.glob("images*/*.nii.gz"):
        channel = sitk.ReadImage(str(file))
        sitk.WriteImage(sitk.JoinSeries([channel, channel + 1]), str(file))
    raw = json.loads((tmp_path / "dataset.json").read_text())
    raw |= {
        "modality": {"0": "T1", "1": "T2"},
        "labels": {"0": "Background", "1": "organ", "2": "organ"},
        "licence": "CC-BY-SA 4.0",
        "tensorImageSize": "4D",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(raw))
    conversion = plan_conversion(Decathlon(), tmp_path, **HOW)
    assert conversion.description.raw == {
        "name": "Example",
        "licence": "CC-BY-SA 4.0",
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "organ": 1, "organ_2": 2},
        "file_ending": ".nii.gz",
        "numTraining": 2,
    }
    assert [(c.name, len(c.images), c.label is None) for c in conversion.scan.unseen] == [("c", 1, True)]
    dataset, report = convert(Decathlon(), tmp_path, tmp_path.with_name("Dataset001_A"), **HOW)
    assert report.problems == ()
    first, second = read_image(dataset.training_cases()[0].images).array
    assert np.array_equal(first + 1, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": "CT"}, "'modality' is 'CT'; expected names by number"),
        ({"labels": {"liver": 1}}, "'labels' is {'liver': 1}; expected names by number"),
        ({"training": []}, r"'training' is \[\]; expected the files of each case"),
        ({"training": [{"image": 3}]}, "lists {'image': 3}; expected a file, or"),
    ],
)
def test_a_task_that_says_too_little_is_refused(tmp_path, change, message):
    Decathlon().example(tmp_path)
    raw = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(InvalidFile, match=message):
        plan_conversion(Decathlon(), tmp_path, **HOW)


def test_version_1_copies_files_and_keeps_labels_of_test_cases(tmp_path):
    source = tmp_path / "Task001_A"
    NnunetV1().example(source)
    for channel in range(2):
        (source / "imagesTs").mkdir(exist_ok=True)
        file = source / "imagesTr" / f"a_{channel:04d}.nii.gz"
        (source / "imagesTs" / f"t_{channel:04d}.nii.gz").write_bytes(file.read_bytes())
    (source / "labelsTs").mkdir()
    (source / "labelsTs" / "t.nii.gz").write_bytes((source / "labelsTr" / "a.nii.gz").read_bytes())
    dataset, report = convert(NnunetV1(), source, tmp_path / "Dataset001_A", **HOW)
    assert report.problems == ()
    for file in ("imagesTr/b_0001.nii.gz", "labelsTr/b.nii.gz", "imagesTs/t_0000.nii.gz", "labelsTs/t.nii.gz"):
        assert (dataset.folder / file).read_bytes() == (source / file).read_bytes()


def test_photographs_with_masks_of_0_and_255(tmp_path):
    source = tmp_path / "photos"
    for number in range(3):
        save(source / "images" / f"IMG_{number}.jpg", photograph(number, 12, 10, 3), vector=True)
        save(source / "labels" / f"{number}_mask.png", 255 * (photograph(number, 12, 10) > 99).astype(np.uint8))
    dataset, report = convert(Pairs(), source, tmp_path / "Dataset001_Photos", **HOW)
    assert report.problems == ()
    raw = dataset.description.raw
    assert raw["labels"] == {"background": 0, "class_255": 1}
    assert (len(raw["channel_names"]), raw["file_ending"], raw["numTraining"]) == (3, ".png", 3)
    case = dataset.training_cases()[1]
    decoded = sitk.GetArrayFromImage(sitk.ReadImage(str(source / "images" / "IMG_1.jpg")))
    assert np.array_equal(read_image(case.images).array[:, 0], np.moveaxis(decoded, -1, 0))
    assert np.unique(read_label(case.label).array).tolist() == [0, 1]


def test_patterns_name_the_channels_of_a_case(tmp_path):
    for case in ("x1", "x2"):
        for kind in ("t1", "t2", "seg"):
            save(tmp_path / "src" / case / f"{case}_{kind}.nii.gz", photograph(1, 4, 6, 5) % 2)
    options = {"images": ("{case}/{case}_t1.nii.gz", "{case}/*_t2.*"), "labels": "{case}/{case}_seg.nii.gz"}
    scan = plan_conversion(Pairs(**options, channels=("T1", "T2"), classes={"lesion": 1}), tmp_path / "src", **HOW)
    assert [case.name for case in scan.scan.training] == ["x1", "x2"]
    assert [path.name for path in scan.scan.training[1].images] == ["x2_t1.nii.gz", "x2_t2.nii.gz"]
    assert scan.description.raw["channel_names"] == {"0": "T1", "1": "T2"}
    assert scan.description.raw["labels"] == {"background": 0, "lesion": 1}


def test_images_without_a_label_map_are_to_be_predicted(tmp_path):
    Pairs().example(tmp_path)
    found = plan_conversion(Pairs(), tmp_path, **HOW).scan
    assert [case.name for case in found.training] == ["a", "b"]
    assert [case.images[0].name for case in found.unseen] == ["scan_c.nii.gz"]
    assert found.notices == ("1 images have no label map; they go to imagesTs",)


def test_a_label_map_without_its_image_is_told(tmp_path):
    Pairs().example(tmp_path)
    (tmp_path / "labels" / "a_mask.nii.gz").rename(tmp_path / "labels" / "77_mask.nii.gz")
    with pytest.raises(Problems, match=r"77_mask\.nii\.gz: none of 3 images has a name like it alone"):
        plan_conversion(Pairs(), tmp_path, **HOW)


def test_a_doubtful_pair_is_told(tmp_path):
    for folder, names in (("images", ("liver", "kidney")), ("labels", ("lever", "kidney"))):
        for name in names:
            save(tmp_path / folder / f"{name}.nii.gz", photograph(1, 4, 6, 5) % 2)
    scan = plan_conversion(Pairs(), tmp_path, **HOW).scan
    assert scan.notices[0].startswith(f"{tmp_path / 'labels' / 'lever.nii.gz'} is taken for the label map of")
    assert scan.notices[0].endswith("liver.nii.gz, the closest name; check it")


def test_options_that_fit_nothing_are_refused(tmp_path):
    Pairs().example(tmp_path)
    for options, message in (
        ({"images": "scans"}, "no image in the folder 'scans'; set converter.images to a folder or a pattern"),
        ({"labels": "{case}.png"}, "no file that fits '{case}.png'; set converter.labels"),
        ({"channels": ("a", "b")}, "channels is .*scan_a.nii.gz have 1 channels"),
    ):
        with pytest.raises((InvalidFile, InvalidOptions), match=message):
            plan_conversion(Pairs(**options), tmp_path, **HOW)
    with pytest.raises(InvalidOptions, match="file_ending is '.gif'; it must be one of .nii.gz"):
        Pairs(file_ending=".gif")
    (tmp_path / "images" / "scan_a.nii").touch()
    with pytest.raises(Problems, match=r"scan_a\.nii.*: has the same name as .*scan_a\.nii"):
        plan_conversion(Pairs(), tmp_path, **HOW)
