"""The threshold on enhancing tumour: fitted by Dice or by rank, in voxels or mm3, for any two labels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.contracts import LabelledCase, RankedFigure
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile, InvalidOptions
from nnplug.evaluation.metrics import Overlap
from nnplug.registry.options import build
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_brats.metrics import BratsMetric
from nnplug_brats.postprocessor import SmallRegion

LABELS = Labels({"background": (0,), "whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}, (1, 2, 3))
RUN = {"executor": LocalExecutor(1), "progress": Silent()}
ONE_MM = (1.0, 1.0, 1.0)


def tumour(enhancing, shape=(12, 12, 12)):
    """Edema around necrosis, and so many voxels of enhancing tumour."""
    label = np.zeros(shape, np.uint8)
    label[1:11, 1:11, 1:11] = 1
    label[2:10, 2:10, 2:10] = 2
    inside = np.argwhere(label == 2)[:enhancing]
    label[tuple(inside.T)] = 3
    return label


@pytest.fixture
def cases(tmp_path):
    """`cases([(predicted, true), ..])` writes cases with so many voxels of enhancing tumour."""

    def write(volumes, spacing=ONE_MM):
        found = []
        for index, pair in enumerate(volumes):
            files = [tmp_path / f"{kind}{index}.nii.gz" for kind in ("prediction", "reference")]
            for file, enhancing in zip(files, pair, strict=True):
                image = sitk.GetImageFromArray(tumour(enhancing))
                image.SetSpacing(spacing[::-1])
                sitk.WriteImage(image, str(file))
            found.append(LabelledCase(f"case{index}", *files))
        return found

    return write


def fit(cases, **options):
    return SmallRegion(**options).fit(cases, LABELS, **RUN)


@pytest.mark.parametrize("criterion", ["dice", "rank"])
def test_the_smallest_of_the_best_thresholds(cases, criterion):
    """Predictions of 25 and 64 voxels are false, one of 200 is true: 70 gives up both, nothing below does."""
    rule = fit(cases([(25, 0), (64, 0), (200, 180), (0, 0)]), criterion=criterion)
    assert rule == {"label": 3, "becomes": 2, "unit": "voxels", "below": 70.0}


@pytest.mark.parametrize(("figure", "sign"), [("Dice", 1), ("HD95", -1)])
def test_a_figure_of_a_metric_chooses_the_threshold(cases, figure, sign):
    """The challenge's Dice gives the threshold of `criterion`, whatever that says; so does its distance here."""
    by = RankedFigure(BratsMetric(), f"brats.{figure}", figure, sign)
    given = cases([(25, 0), (64, 0), (200, 180), (0, 0)])
    assert SmallRegion(criterion="rank").fit_by(by, given, LABELS, **RUN)["below"] == 70.0


def test_a_figure_without_a_value_is_left_out_of_the_mean(cases):
    """nnU-Net's Dice has none where neither map holds the region, so that a false tumour costs its 0."""
    by = RankedFigure(Overlap(), "overlap.Dice", "Dice", 1)
    assert SmallRegion().fit_by(by, cases([(25, 0), (200, 180)]), LABELS, **RUN)["below"] == 30.0


def test_what_is_mostly_right_is_left_alone(cases):
    assert fit(cases([(25, 24), (30, 30), (200, 180)]))["below"] == 0


def test_the_last_threshold_is_tried(cases):
    assert fit(cases([(64, 0)]), thresholds=(0, 70, 70))["below"] == 70


def test_thresholds_may_be_mm3(cases):
    rule = fit(cases([(25, 0), (200, 180)], spacing=(2.0, 1.0, 1.0)), unit="mm3")
    assert (rule["below"], rule["unit"]) == (60.0, "mm3")
    spacings = {(1.0, 1.0, 1.0): 0, (2.0, 1.0, 1.0): 0, (3.0, 1.0, 1.0): 25}
    for spacing, left in spacings.items():
        result = SmallRegion().apply(tumour(25), rule, spacing=spacing, labels=LABELS)
        assert np.count_nonzero(result == 3) == left


def test_the_submitted_threshold_reads_no_case():
    missing = [LabelledCase("a", "nowhere", "nowhere")]
    assert fit(missing, below=200) == {"label": 3, "becomes": 2, "unit": "voxels", "below": 200}


def test_below_is_strict_and_the_core_stays():
    rule = {"label": 3, "becomes": 2, "unit": "voxels", "below": 64}
    for enhancing, left in ((63, 0), (64, 64)):
        before = tumour(enhancing)
        after = SmallRegion().apply(before, rule, spacing=ONE_MM, labels=LABELS)
        assert np.count_nonzero(after == 3) == left
        assert np.array_equal(np.isin(after, (2, 3)), np.isin(before, (2, 3)))


def test_labels_follow_the_order_of_painting_or_the_users_will():
    original = Labels({"background": (0,), "whole": (1, 2, 3), "core": (1, 3), "enhancing": (3,)}, (2, 1, 3))
    assert SmallRegion(below=1).fit([], original, **RUN)["becomes"] == 1
    one = Labels({"background": (0,), "lesion": (1,)})
    assert SmallRegion(below=1).fit([], one, **RUN) == {"label": 1, "becomes": 0, "unit": "voxels", "below": 1}
    chosen = SmallRegion(below=1, label=2, becomes=1).fit([], LABELS, **RUN)
    assert (chosen["label"], chosen["becomes"]) == (2, 1)


@pytest.mark.parametrize(
    "rule",
    [
        {"keep_largest": []},
        {"label": 7, "becomes": 2, "unit": "voxels", "below": 1},
        {"label": [3], "becomes": 2, "unit": "voxels", "below": 1},
        {"label": 3, "becomes": 2, "unit": ["mm3"], "below": 1},
        {"label": 3, "becomes": 2, "unit": "voxels", "below": "1"},
    ],
)
def test_another_rule_is_refused(rule):
    with pytest.raises(InvalidFile, match="is no rule of brats-enhancing; fit it again"):
        SmallRegion().apply(tumour(3), rule, spacing=ONE_MM, labels=LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": [750, 0, 10]}, "thresholds is .*rising from 0"),
        ({"thresholds": [0, 750, 0]}, "thresholds is .*rising from 0"),
        ({"below": -1}, "below is -1.0; expected at least 0"),
        ({"label": 2, "becomes": 2}, "label and becomes are both 2"),
        ({"unit": "ml"}, "'unit' is 'ml'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InvalidOptions, match=message):
        build(SmallRegion, options, what="postprocessor 'brats-enhancing'")
