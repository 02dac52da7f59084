"""Files of users are not lost: what is read, what others made and what they changed stays."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from nnplug.errors import NnplugError, Problems
from nnplug.runtime.files import write_text
from nnplug.runtime.json_files import read_json, write_json
from nnplug.runtime.output_log import LOG, read
from nnplug.runtime.outputs import Outputs, check_folder, claim_inside, write_document

DATASET = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}


@pytest.fixture
def image(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"image")
    return tmp_path / "in" / "a.nii.gz"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def lines(outputs, **how):
    with pytest.raises(Problems) as problems:
        outputs.check(**how)
    return problems.value.lines


def written(out, text="ours"):
    """A file that was claimed and written."""
    Outputs((out / "a.nii.gz",)).claim()
    write_text(out / "a.nii.gz", text)
    return Outputs((out / "a.nii.gz",))


def by_name(image, out):
    return image


def by_dots(image, out):
    return image.parent / ".." / image.parent.name / image.name


def by_file_link(image, out):
    out.mkdir()
    (out / "b.nii.gz").symlink_to(image)
    return out / "b.nii.gz"


def by_hard_link(image, out):
    out.mkdir()
    os.link(image, out / "b.nii.gz")
    return out / "b.nii.gz"


def by_folder_link(image, out):
    out.symlink_to(image.parent)
    return out / image.name


def linked_input(image, out):
    """The image is a link to the file that is to be written."""
    out.mkdir()
    image.rename(out / "b.nii.gz")
    image.symlink_to(out / "b.nii.gz")
    return out / "b.nii.gz"


@pytest.mark.parametrize("way", [by_name, by_dots, by_file_link, by_hard_link, by_folder_link, linked_input])
@pytest.mark.parametrize("replace", [False, True])
def test_an_input_is_never_written_whichever_way_leads_to_it(image, out, way, replace):
    target = way(image, out)
    there = out.exists()
    (line,) = lines(Outputs((target, out / "c.nii.gz"), (image,)), replace=replace)
    assert line.startswith(f"{target}: is ")
    assert "read here" in line
    assert "give another output" in line
    assert image.read_bytes() == b"image"
    assert out.exists() == there
    assert not (out / LOG).exists()


def test_what_nnplug_did_not_write_needs_leave_and_all_is_told_at_once(image, out):
    out.mkdir()
    for name in ("a.nii.gz", "b.nii.gz"):
        (out / name).write_text("theirs")
    outputs = Outputs((out / "a.nii.gz", out / "b.nii.gz", out / "c.nii.gz", image), (image,))
    found = lines(outputs)
    assert [line.split(":")[0] for line in found] == [str(out / "a.nii.gz"), str(out / "b.nii.gz"), str(image)]
    assert "nnplug did not write it" in found[0]
    assert found[0].endswith("; give another output, or allow it with replace=True")
    Outputs(outputs.files[:3]).check(replace=True)


def test_links_that_lead_nowhere_and_folders_are_no_places_for_files(out):
    (out / "folder.nii.gz").mkdir(parents=True)
    (out / "link.nii.gz").symlink_to(out / "gone")
    folder, link = lines(Outputs((out / "folder.nii.gz", out / "link.nii.gz")))
    assert "is a folder, but a file is to be written here" in folder
    assert "nnplug did not write it" in link


def test_two_results_of_one_name_are_refused(out):
    (line,) = lines(Outputs((out / "a.json", out / "a.json")))
    assert line == f"{out / 'a.json'}: two results would be written to this file; rename an input"


def test_nnplugs_own_files_are_replaced_until_somebody_changes_them(out):
    outputs = written(out)
    outputs.check()
    os.utime(out / "a.nii.gz", ns=(0, 0))
    outputs.check()  # the content counts
    (out / "a.nii.gz").write_text("mine")
    (line,) = lines(outputs)
    assert "has changed since nnplug wrote it" in line
    outputs.claim(replace=True)
    write_text(out / "a.nii.gz", "ours again")
    outputs.check()


def test_a_copied_folder_is_known_and_one_without_its_log_is_not(out, tmp_path):
    written(out)
    shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copyfile)
    Outputs((tmp_path / "copy" / "a.nii.gz",)).check()
    (tmp_path / "copy" / LOG).unlink()
    assert "did not write" in lines(Outputs((tmp_path / "copy" / "a.nii.gz",)))[0]


def test_a_line_that_a_kill_cut_short_counts_for_nothing_and_harms_no_other(out):
    outputs = written(out)
    with (out / LOG).open("a") as log:
        log.write('{"name": "b.nii.gz", "size": 3, "mti')
    write_text(out / "c.nii.gz", "ours")
    assert set(read(out)) == {"a.nii.gz", "c.nii.gz"}
    outputs.check()


def test_a_kill_before_the_new_file_is_in_place_leaves_the_old_one_known(out, monkeypatch):
    outputs = written(out)

    def killed(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(out), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_text(out / "a.nii.gz", "new")
    assert (out / "a.nii.gz").read_text() == "ours"
    assert len(read(out)["a.nii.gz"]) == 2
    outputs.check()


def test_many_write_into_one_log(out):
    Outputs((out / "x",)).claim()
    names = [f"{number}.json" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: write_json(out / name, name * 50), names))
    assert set(read(out)) == set(names)
    Outputs(tuple(out / name for name in names)).check()


def test_a_folder_that_nobody_claimed_gets_no_log(tmp_path):
    write_json(tmp_path / "a.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json"}


def test_the_log_of_a_folder_lists_files_of_claimed_folders_in_it(out):
    Outputs((out / "a.nii.gz",)).claim()
    for folder in (out, out / "sub" / "anat", out / "sub" / "anat"):
        claim_inside(out, folder)
    file = out / "sub" / "anat" / "a.nii.gz"
    write_text(file, "ours")
    write_text(out / "sub" / "other.txt", "of a program that claimed nothing")
    assert list(read(out)) == ["sub/anat/a.nii.gz"]
    assert (out / LOG).read_text().count('"folder"') == 1
    assert not (file.parent / LOG).exists()
    Outputs((file,)).check()
    file.write_text("theirs")
    assert "a.nii.gz: has changed since nnplug wrote it" in lines(Outputs((file,)))[0]
    assert "nnplug did not write it" in lines(Outputs((out / "sub" / "other.txt",)))[0]


def test_files_that_a_call_adds_to_may_have_changed_but_are_nnplugs(out):
    (file,) = written(out).files
    file.write_text("edited")
    Outputs((file,), extended=frozenset([file])).check()
    (out / "b.nii.gz").write_text("theirs")
    other = out / "b.nii.gz"
    assert "nnplug did not write it" in lines(Outputs((other,), extended=frozenset([other])))[0]


def test_what_versions_without_a_log_made_is_known_but_the_log_counts_more(out):
    out.mkdir()
    (out / "old.nii.gz").write_text("old")
    outputs = Outputs((out / "old.nii.gz",), made=lambda path: path.name == "old.nii.gz")
    outputs.claim()
    write_text(out / "old.nii.gz", "new")
    outputs.check()
    (out / "old.nii.gz").write_text("by hand")
    assert "has changed" in lines(outputs)[0]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"labels": {"background": 0, "b": 1}}, "labels"),
        ({"channel_names": {"0": "CT"}}, "channel_names"),
        ({"regions_class_order": [1]}, "regions_class_order"),
        ({"file_ending": ".mha"}, "file_ending"),
    ],
)
def test_another_datasets_description_is_never_replaced(out, change, key):
    out.mkdir()
    (out / "dataset.json").write_text(json.dumps({**DATASET, **change}))
    outputs = Outputs((out / "dataset.json",), documents={out / "dataset.json": DATASET})
    for replace in (False, True):
        (line,) = lines(outputs, replace=replace)
        assert f"belongs to another dataset ({key!r} is " in line
    assert "describes a dataset, and is never replaced" in lines(Outputs((out / "dataset.json",)), replace=True)[0]


def test_documents_that_say_the_same_are_left_as_they_are(out):
    out.mkdir()
    path = out / "dataset.json"
    path.write_text(text := json.dumps(dict(reversed(DATASET.items())), indent=7))
    outputs = Outputs((path,), documents={path: DATASET})
    outputs.claim()
    write_document(path, DATASET)
    assert path.read_text() == text
    path.write_text(json.dumps({**DATASET, "licence": "mine"}))
    assert "nnplug did not write it" in lines(outputs)[0]
    outputs.check(replace=True)
    write_document(path, DATASET)
    assert read_json(path) == DATASET


def test_a_folder_that_holds_an_input_is_not_replaced(image, tmp_path):
    (tmp_path / "link").symlink_to(image.parent)
    for target, source in ((image.parent, image), (tmp_path / "link", image), (image.parent, image.parent)):
        with pytest.raises(NnplugError, match="which is read here and would be removed"):
            check_folder(target, [source])
    check_folder(tmp_path / "new", [image])
    check_folder(image.parent / "inside", [image.parent])
