"""The page: one file that loads nothing, with all text escaped, and small enough."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, write_image, write_label
from nnplug_report.find import ReportRequest
from nnplug_report.report import report_page


class Page(HTMLParser):
    """The elements, the attributes that load something, and the text outside scripts."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.tags, self.words, self.inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside.append(tag) if tag in ("script", "style") else None
        self.loaded += [v for n, v in attributes if n in ("src", "href", "srcset", "data") and v and v[0] != "#"]

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_a_selection_is_told_on_one_page_that_loads_nothing(workspace, runtime):
    text = report_page(ReportRequest(workspace), runtime, ("nnplug", "report", "a b"))
    page = Page(text)
    assert page.loaded
    assert all(one.startswith("data:image/png;base64,") for one in page.loaded)
    assert "link" not in page.tags
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    for words in (
        "Comparison",
        "What was planned, and why",
        "Slice viewer",
        "Commands and versions",
        "worst, mean Dice",
    ):
        assert words in page.text
    assert "nnplug-core" in page.text
    assert "nnplug report 'a b'" in page.text
    assert "<script>alert(1)</script>" not in text  # a word of the command in run.json
    assert "<script>alert(1)</script>" in page.text
    assert len(text) < 4_000_000


def test_the_viewer_has_every_case_with_image_and_labels(workspace, runtime):
    text = report_page(ReportRequest(workspace), runtime)
    data = json.loads(re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)[1])
    assert len(data["cases"]) == 4
    assert [one["title"] for one in data["cases"][0]["layers"]] == ["prediction", "reference", "differences"]
    assert len(data["cases"][0]["channels"]) == 2
    assert [one["name"] for one in data["labels"]] == ["body", "cap"]
    for case in data["cases"]:
        for volume in (*case["channels"], *case["layers"]):
            payload = re.search(rf'id="{volume["id"]}">([^<]*)<', text)[1]
            assert gzip.decompress(base64.b64decode(payload))[344:347] == b"n+1"


def test_a_case_called_script_is_text(predictions, runtime, tmp_path):
    name = "<script>alert('x')<"
    folder = tmp_path / "odd"
    folder.mkdir()
    source = next(predictions.glob("*.nii.gz"))
    (folder / f"{name}.nii.gz").write_bytes(source.read_bytes())
    description = json.loads((predictions / "dataset.json").read_text())
    description["labels"] = {"background": 0, "<img src=x onerror=alert(1)>": 1, "</script>": 2}
    (folder / "dataset.json").write_text(json.dumps(description))
    text = report_page(ReportRequest(folder), runtime)
    page = Page(text)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert name in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert text.count("</script>") == len(
        re.findall(r"<script[ >]", re.sub(r"(?s)<script>\(function.*?</script>", "<script></script>", text))
    )


def test_unlabelled_predictions_have_volumes_and_honest_words(predictions, runtime):
    page = Page(report_page(ReportRequest(predictions), runtime))
    assert "There are no references: the report has volumes, and no scores." in page.text
    assert "Mean Dice" not in page.text
    assert "Volume per class" in page.text
    assert "No training belongs to this report" in page.text


def test_a_class_of_no_case_is_told(predictions, runtime, phantom):
    description = json.loads((predictions / "dataset.json").read_text())
    description["labels"]["stone"] = 3
    (predictions / "dataset.json").write_text(json.dumps(description))
    page = Page(report_page(ReportRequest(predictions, references=phantom / "labelsTr"), runtime))
    assert "stone in no reference and no prediction: no score" in page.text


def test_a_case_that_cannot_be_read_costs_a_sentence(predictions, runtime, phantom, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for case in Dataset.open(phantom).training_cases():
        for image in case.images:
            (images / image.name).write_bytes(image.read_bytes() if "001" not in image.name else b"no image")
    page = Page(report_page(ReportRequest(predictions, images, phantom / "labelsTr"), runtime))
    assert "phantom_001 is not shown: " in page.text


def test_of_22_cases_of_noise_20_are_shown_in_less_than_30_mb(runtime, tmp_path):
    shape = (100, 128, 128)
    place = Geometry(shape, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    images, labels = tmp_path / "images", tmp_path / "labels"
    noise = np.random.default_rng(0).integers(0, 4000, shape, dtype=np.int16)
    mask = np.zeros(shape, np.int16)
    mask[10:90, 10:120, 10:120] = 1
    write_image(images / "case_00_0000.nii.gz", noise, place)
    write_label(labels / "case_00.nii.gz", mask, place)
    for number in range(1, 22):
        (images / f"case_{number:02d}_0000.nii.gz").hardlink_to(images / "case_00_0000.nii.gz")
        (labels / f"case_{number:02d}.nii.gz").hardlink_to(labels / "case_00.nii.gz")
    text = report_page(ReportRequest(labels, images), runtime)
    assert 10_000_000 < len(text) < 30_000_000
    data = json.loads(re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)[1])
    assert len(data["cases"]) == 20
