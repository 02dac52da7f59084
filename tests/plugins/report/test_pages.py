"""The pages in headless Chromium: slices are drawn and move, tables sort, nothing is loaded.

Each picture is judged by its own pixels: colours of labels and grays of the image are there. NNPLUG_PICTURES=FOLDER
keeps the screenshots.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, read_label, write_image, write_label
from nnplug.io.readers import Readers
from nnplug.pictures.colours import label_colour
from nnplug_report.find import ReportRequest
from nnplug_report.page import write_page
from nnplug_report.report import report_page
from nnplug_report.view import ViewRequest, view_page


@pytest.fixture
def picture(browser, tmp_path, request):
    """Give the pixels (y, x, 3) of the viewer."""

    def take(name=""):
        folder = Path(os.environ.get("NNPLUG_PICTURES") or tmp_path)
        file = folder / f"{request.node.name}{name}.png".replace("/", "_")
        browser.screenshot(file, part="#viewer .stage")
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))[..., :3].astype(int)

    return take


def coloured(pixels):
    """The number of pixels with a colour, such as that of a label over gray."""
    return int((pixels.max(-1) - pixels.min(-1) > 40).sum())


def gray(pixels):
    return int(((pixels.max(-1) - pixels.min(-1) < 8) & (pixels.min(-1) > 40)).sum())


def check_viewer(browser, picture, *, flat=False):
    """The image and its labels are seen, and the keys move slice, labels and case."""
    with_labels = picture()
    assert gray(with_labels) > 1000
    browser.select("layer", "none")
    without = picture("-none")
    assert coloured(with_labels) > coloured(without) + 200
    if not flat:
        browser.select("plane", "axial")
        before, first = picture("-first"), browser.value("document.getElementById('viewer').dataset.slice")
        browser.press("ArrowDown")
        after, second = picture("-next"), browser.value("document.getElementById('viewer').dataset.slice")
        assert int(second) == int(first) - 1
        assert (before != after).any()
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


@pytest.mark.slow
def test_a_cascade_or_any_run_in_3d(browser, picture, workspace, runtime, tmp_path):
    page = tmp_path / "report.html"
    write_page(page, report_page(ReportRequest(workspace), runtime))
    browser.open(page)
    browser.select("layer", "reference")
    check_viewer(browser, picture)
    one = browser.status()
    browser.press("ArrowRight")
    assert browser.status().split(",")[0] != one.split(",")[0]
    browser.press("c")
    assert browser.value("document.querySelector('[data-part=channel]').value") == "1"
    browser.press("l")
    assert browser.value("document.querySelector('[data-part=layer]').value") == "prediction"
    order = "[...document.querySelectorAll('table.cases tbody tr')].map(row => row.cells[1].dataset.value)"
    button = "document.querySelectorAll('table.cases th button')[1].click()"
    for sign in (1, -1):
        browser.value(button)
        values = [float(value) for value in browser.value(order)]
        assert values == sorted(values, reverse=sign < 0)
    browser.value("document.querySelectorAll('[data-show=\"2\"]')[0].click()")
    browser.wait("document.querySelector('[data-part=case]').value === '2'")
    browser.ready()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("Dataset201_HeadNeckCT", marks=pytest.mark.slow),
        pytest.param("Dataset082_BraTS2015", marks=pytest.mark.slow),
        "Dataset120_EMMembrane",
    ],
)
def test_real_images(kind, browser, picture, runtime, shared, tmp_path):
    dataset = Dataset.open(shared / "data" / kind)
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for case in dataset.training_cases()[:1]:
        label = read_label(case.label, dataset.readers)
        references.mkdir()
        shutil.copy(case.label, references)
        write_label(predictions / case.label.name, np.roll(label.array, 3, axis=2), label.geometry, dataset.readers)
    (predictions / "dataset.json").write_text(
        json.dumps({k: v for k, v in dataset.description.raw.items() if k != "dataset"})
    )
    page = tmp_path / "report.html"
    request = ReportRequest(predictions, shared / "data" / kind / "imagesTr", references)
    write_page(page, report_page(request, runtime))
    browser.open(page)
    check_viewer(browser, picture, flat=kind.endswith("EMMembrane"))
    assert len(dataset.description.channel_names) == browser.value(
        "document.querySelector('[data-part=channel]').options.length"
    )


def test_view_draws_the_colour_of_each_label_where_it_is(browser, picture, runtime, tmp_path):
    place = Geometry((1, 40, 60), (999, 1, 1), (1.0, 1.0), (0.0, 0.0), (1, 0, 0, 1))
    label = np.zeros((1, 40, 60), np.int16)
    label[0, :20, :30], label[0, 20:, 30:] = 1, 2  # top left, bottom right
    gradient = np.tile(np.linspace(50, 200, 60, dtype=np.uint8), (1, 40, 1))
    write_image(tmp_path / "a.png", gradient, place)
    write_label(tmp_path / "l.png", label, place)
    page = tmp_path / "view.html"
    readers = Readers.of(runtime.registry)
    write_page(page, view_page(ViewRequest(tmp_path / "a.png", (tmp_path / "l.png",), readers)))
    browser.open(page)
    browser.value(
        "const o = document.querySelector('[data-part=opacity]'); o.value = 100; o.dispatchEvent(new Event('input'))"
    )
    pixels = picture()
    for value, side in ((1, -1), (2, 1)):
        own = np.argwhere(np.abs(pixels - label_colour(value)).max(-1) < 12)
        assert len(own) > 500, value
        centre = own.mean(0) - np.array(pixels.shape[:2]) / 2
        assert (np.sign(centre) == side).all(), (value, centre)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1200, True)])
def test_phones_and_dark_screens(width, dark, browser, workspace, runtime, tmp_path):
    page = tmp_path / "report.html"
    write_page(page, report_page(ReportRequest(workspace), runtime))
    browser.open(page, width=width, height=800, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")
    if folder := os.environ.get("NNPLUG_PICTURES"):
        browser.screenshot(Path(folder) / f"page-{width}.png", part="html")
