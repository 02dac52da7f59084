"""Folders are replaced and removed so that a kill at any moment leaves all of them or nothing."""

import os
import shutil

import pytest

from nnplug.errors import NnplugError
from nnplug.runtime.files import atomic_folder, remove_folder, remove_leftovers


class Killed(BaseException):
    """A kill: no handler of errors runs."""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "fold_0").mkdir(parents=True)
    (made / "bundle.json").write_text("old")
    (made / "fold_0" / "weights").write_text("old")
    return made


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


WHOLE = {"bundle.json": "old", "fold_0/weights": "old"}


@pytest.fixture
def killed_on_removal(monkeypatch):
    """The first file that a tree loses is its last: then the process ends."""

    def removes(path, ignore_errors=False):
        for file in path.rglob("*"):
            if file.is_file():
                file.unlink()
                raise Killed

    monkeypatch.setattr(shutil, "rmtree", removes)


def test_a_kill_while_a_folder_is_removed_leaves_none_of_it(folder, killed_on_removal):
    with pytest.raises(Killed):
        remove_folder(folder)
    assert not folder.exists()


def test_a_kill_while_a_folder_is_replaced_leaves_the_new_one(folder, killed_on_removal):
    with pytest.raises(Killed), atomic_folder(folder) as temporary:
        (temporary / "bundle.json").write_text("new")
    assert files(folder) == {"bundle.json": "new"}


def test_a_folder_that_cannot_be_replaced_stays(folder, monkeypatch):
    replace = type(folder).replace

    def fails(self, target):
        if target == folder and "new" in (self / "bundle.json").read_text():
            raise OSError(28, os.strerror(28))
        return replace(self, target)

    monkeypatch.setattr(type(folder), "replace", fails)
    told = r"model: cannot be written \(No space left on device\)\. Free some space"
    with pytest.raises(NnplugError, match=told), atomic_folder(folder) as temporary:
        (temporary / "bundle.json").write_text("new")
    assert files(folder) == WHOLE
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_replaced_and_removed_folders_leave_nothing(folder):
    with atomic_folder(folder) as temporary:
        (temporary / "bundle.json").write_text("new")
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    remove_folder(folder)
    remove_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_link_is_neither_replaced_nor_removed(folder):
    link = folder.with_name("link")
    link.symlink_to(folder)
    with pytest.raises(NnplugError, match="link: cannot be written"), atomic_folder(link):
        pass
    with pytest.raises(NnplugError, match="link: cannot be written"):
        remove_folder(link)
    assert files(folder) == WHOLE


def test_leftovers_of_killed_writes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".0123abcd-fold_0").mkdir()
    for name in (".0123abcd-fold_1", ".fold_0.lock", "0123abcd-x", ".notes-0123abcd", "state.pt"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path, of="fold_0")
    assert not (tmp_path / ".0123abcd-fold_0").exists()
    assert (tmp_path / ".0123abcd-fold_1").exists()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".fold_0.lock",
        ".notes-0123abcd",
        "0123abcd-x",
        "state.pt",
    ]
    remove_leftovers(tmp_path / "absent")
