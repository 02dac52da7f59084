import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.contracts import LabelledCase, RankedFigure
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_nnunet.metrics import Overlap, Surface
from nnplug_nnunet.postprocessor import LargestComponent

TWO = Labels.from_data({"background": 0, "a": 1, "b": 2}, None, "dataset.json")
ONE = Labels.from_data({"background": 0, "a": 1}, None, "dataset.json")


@pytest.fixture
def fit(tmp_path):
    def write(name, row):
        sitk.WriteImage(sitk.GetImageFromArray(np.array([[row]], np.uint8)), str(tmp_path / name))
        return tmp_path / name

    def fit(labels, *cases, figure=None):
        paths = [
            LabelledCase(f"{i}", write(f"p{i}.nrrd", predicted), write(f"r{i}.nrrd", reference))
            for i, (predicted, reference) in enumerate(cases)
        ]
        made, run = LargestComponent(), {"executor": LocalExecutor(1), "progress": Silent()}
        rule = made.fit(paths, labels, **run) if figure is None else made.fit_by(figure, paths, labels, **run)
        return rule["keep_largest"]

    return fit


def test_the_foreground_step_needs_every_class_to_hold(fit):
    assert fit(TWO, ([1, 1, 2, 0, 1], [1, 1, 2, 0, 0])) == [[1, 2]]
    assert fit(TWO, ([1, 1, 1, 0, 2, 0, 1], [1, 1, 1, 0, 2, 0, 0])) == [[1]]


def test_a_step_that_changes_nothing_is_not_taken(fit):
    assert fit(TWO, ([1, 1, 2], [1, 1, 2])) == []


def test_a_single_class_has_no_step_of_its_own(fit):
    assert fit(ONE, ([1, 1, 0, 1], [1, 1, 0, 0])) == [[1]]


def test_a_class_that_never_occurs_forbids_the_foreground_step(fit):
    """Its Dice is NaN, and so is the mean."""
    assert fit(TWO, ([1, 1, 0, 1], [1, 1, 0, 0])) == [[1]]


def test_classes_are_judged_after_the_foreground(fit):
    cases = [([1, 1, 2, 1, 0, 2, 0], [1, 1, 2, 0, 0, 0, 0])]
    assert fit(TWO, *cases) == [[1, 2], [1]]


def test_applying_leaves_the_argument(fit):
    before = np.array([[[1, 1, 0, 1, 0, 2]]], np.int16)
    rule = {"keep_largest": [[1]]}
    after = LargestComponent().apply(before, rule, spacing=(1, 1, 1), labels=TWO)
    assert after.tolist() == [[[1, 1, 0, 0, 0, 2]]]
    assert before.tolist() == [[[1, 1, 0, 1, 0, 2]]]


@pytest.mark.parametrize("steps", [None, [1], [[[1]]], [["1"]], [[7]], {"1": 1}])
def test_another_rule_is_refused(steps):
    with pytest.raises(InvalidFile, match="is no rule of largest-component; fit it again"):
        LargestComponent().apply(np.ones((1, 1, 2), np.int16), {"keep_largest": steps}, spacing=(1, 1, 1), labels=TWO)


HD95 = RankedFigure(Surface(), "surface.HD95", "HD95", -1)
PREDICTED, REFERENCE = [1, 1, 1, 0, 0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0, 1, 1, 1]


def test_a_distance_is_made_smaller(fit):
    """The second component hits, so that Dice falls without it; towards a reference of one end the distance falls."""
    near = ([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    assert fit(ONE, near) == fit(ONE, near, figure=HD95) == [[1]]
    far = ([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    assert fit(ONE, far) == fit(ONE, far, figure=HD95) == []


def test_figures_can_choose_another_rule_than_dice(fit):
    assert fit(ONE, (PREDICTED, REFERENCE)) == []
    fewest = RankedFigure(Overlap(), "overlap.FP", "FP", -1)
    island = ([1, 1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 0, 1, 0])  # Dice 0.75, without the island 0.67; false voxels 2, 1
    assert fit(ONE, island) == []
    assert fit(ONE, island, figure=fewest) == [[1]]
    assert fit(ONE, island, figure=RankedFigure(Overlap(), "overlap.Dice", "Dice", 1)) == []


def test_by_the_dice_of_the_metric_the_rule_is_the_same(fit):
    by_dice = RankedFigure(Overlap(), "overlap.Dice", "Dice", 1)
    cases = [([1, 1, 2, 1, 0, 2, 0], [1, 1, 2, 0, 0, 0, 0])]
    assert fit(TWO, *cases, figure=by_dice) == fit(TWO, *cases) == [[1, 2], [1]]
    never = ([1, 1, 0, 1], [1, 1, 0, 0])
    assert fit(TWO, never, figure=by_dice) == fit(TWO, never) == [[1]], "a class without a value"


def test_a_case_that_is_infinite_in_any_case_hides_no_change(fit):
    missing = ([0, 0, 0, 0], [1, 1, 0, 0])
    assert fit(ONE, missing, ([1, 1, 0, 1], [1, 1, 0, 0]), figure=HD95) == [[1]]
