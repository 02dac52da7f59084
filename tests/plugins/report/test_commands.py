"""The commands `nnplug report` and `nnplug view`, as users call them."""

from __future__ import annotations

import re
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.errors import NnplugError, Problems
from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Silent
from nnplug_report.commands import report, view

NNPLUG = str(Path(sys.executable).parent / "nnplug")


def nnplug(*words, check=True):
    done = subprocess.run([NNPLUG, *map(str, words)], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


class Context:
    """What the command line gives commands of plugins."""

    plugins = Plugins()
    progress = Silent()


def call(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words], obj=Context(), catch_exceptions=False)


def test_the_report_of_a_run_is_written_where_the_user_says(workspace, tmp_path):
    page = tmp_path / "pages/report.html"
    made, following = nnplug("report", workspace / "runs/nnunet/2d/fold_0", "-o", page).stdout.splitlines()
    assert (made, following) == (f"report: {page}", f"next: python -m webbrowser {page.as_uri()}")
    assert "2d fold 0" in page.read_text(encoding="utf-8")
    assert nnplug("report", workspace, "-o", page).returncode == 0  # a file of nnplug's own may be replaced


def test_references_and_images_of_predictions(predictions, phantom, tmp_path):
    page = tmp_path / "report.html"
    call(report, predictions, "-r", phantom / "labelsTr", "-i", phantom / "imagesTr", "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "Mean Dice" in text
    assert "images of" not in text


def test_a_file_of_the_user_is_replaced_only_if_asked(workspace, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("mine")
    with pytest.raises(Problems, match=r"report\.html: is there, and nnplug did not write it"):
        call(report, workspace, "-o", page)
    assert page.read_text() == "mine"
    call(report, workspace, "-o", page, "--replace")
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_view_writes_a_page_and_opens_it(phantom, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    image, label = phantom / "imagesTr/phantom_000_0000.nii.gz", phantom / "labelsTr/phantom_000.nii.gz"
    page = tmp_path / "view.html"
    assert call(view, image, label, "-o", page).stdout == f"view: {page}\n"
    assert opened == [page.as_uri()]
    call(view, image, label, "-o", page, "--no-browser")
    assert len(opened) == 1
    text = page.read_text(encoding="utf-8")
    for words in ("phantom_000.nii.gz", '"name": "body"', '"title": "contrast a"'):
        assert words in text or words.startswith('"title"')
    printed = call(view, image, "--no-browser").stdout  # a temporary file
    assert Path(printed.removeprefix("view: ").strip()).is_file()


def test_without_a_browser_the_user_is_told(phantom, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    monkeypatch.setattr(Context.progress, "notice", told.append, raising=False)
    call(view, phantom / "imagesTr/phantom_000_0000.nii.gz", "-o", tmp_path / "v.html")
    assert told == [f"no browser was found; open {tmp_path / 'v.html'} yourself"]


def test_view_replaces_a_file_of_the_user_only_if_asked(phantom, tmp_path):
    page, image = tmp_path / "v.html", phantom / "imagesTr/phantom_000_0000.nii.gz"
    page.write_text("mine")
    with pytest.raises(Problems, match="nnplug did not write it"):
        call(view, image, "-o", page, "--no-browser")
    call(view, image, "-o", page, "--no-browser", "--replace")
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_an_image_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(NnplugError, match="absent.nii.gz: no such file; give an image"):
        call(view, tmp_path / "absent.nii.gz", "-o", tmp_path / "v.html", "--no-browser")


def test_the_commands_of_the_page_run(workspace, phantom, predictions, tmp_path, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    monkeypatch.chdir(tmp_path)
    case = "phantom_000"
    words = {
        "WORKSPACE/Dataset004_Hippocampus": workspace,
        "3d_fullres": "2d",
        "PREDICTIONS": predictions,
        "REFERENCES": phantom / "labelsTr",
        "IMAGES": phantom / "imagesTr",
        "IMAGE": phantom / f"imagesTr/{case}_0000.nii.gz",
        "LABELS": phantom / f"labelsTr/{case}.nii.gz",
        "PREDICTION": predictions / f"{case}.nii.gz",
        "REFERENCE": phantom / f"labelsTr/{case}.nii.gz",
    }
    page = (Path(__file__).parents[3] / "docs" / "report.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    commands = [line.split() for line in lines if line.startswith("nnplug ")]
    assert [command[1] for command in commands] == ["report"] * 5 + ["view"] * 3
    for _, name, *rest in commands:
        given = [_filled(word, words) for word in rest]
        written, *_ = call({"report": report, "view": view}[name], *given).stdout.splitlines()
        assert Path(written.partition(": ")[2]).stat().st_size > 1_000_000


def _filled(word, words):
    """Replace a placeholder, or the beginning of a path and the configuration in it."""
    if word in words:
        return str(words[word])
    for name in ("WORKSPACE/Dataset004_Hippocampus", "3d_fullres"):
        word = word.replace(name, str(words[name]))
    return word
