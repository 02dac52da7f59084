import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.contracts import LabelledCase
from nnplug.dataset.labels import Labels
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_nnunet.postprocessor import LargestComponent

TWO = Labels.from_data({"background": 0, "a": 1, "b": 2}, None, "dataset.json")
ONE = Labels.from_data({"background": 0, "a": 1}, None, "dataset.json")


@pytest.fixture
def fit(tmp_path):
    def write(name, row):
        sitk.WriteImage(sitk.GetImageFromArray(np.array([[row]], np.uint8)), str(tmp_path / name))
        return tmp_path / name

    def fit(labels, *cases):
        paths = [
            LabelledCase(f"{i}", write(f"p{i}.nrrd", predicted), write(f"r{i}.nrrd", reference))
            for i, (predicted, reference) in enumerate(cases)
        ]
        return LargestComponent().fit(paths, labels, executor=LocalExecutor(1), progress=Silent())["keep_largest"]

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
