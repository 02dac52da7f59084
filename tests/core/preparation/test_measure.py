"""Measuring a dataset through whatever extractor is chosen."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.errors import InvalidPlugin
from nnplug.plans.fingerprint import Fingerprint
from nnplug.preparation.measure import measure
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent


class Forgetful:
    """Gives what it is told, whatever the dataset."""

    def __init__(self, cases):
        self.cases = cases

    def extract(self, dataset, *, executor, progress):
        return Fingerprint(
            spacings=((1, 1, 1),) * self.cases,
            shapes_after_crop=((2, 2, 2),) * self.cases,
            foreground_intensity_properties_per_channel={},
            median_relative_size_after_cropping=1,
        )


@pytest.fixture
def dataset(write_dataset):
    ones = np.ones((2, 2, 2), np.uint8)
    return Dataset.open(write_dataset({"a": (ones[None], ones), "b": (ones[None], ones)}))


def test_what_the_extractor_measures_is_given(dataset):
    fingerprint = measure(dataset, Forgetful(2), executor=LocalExecutor(), progress=Silent())
    assert len(fingerprint.spacings) == 2


def test_an_extractor_that_leaves_cases_out_is_refused(dataset):
    with pytest.raises(InvalidPlugin, match=r"Forgetful measured 1 of 2 cases of .*Choose another extractor"):
        measure(dataset, Forgetful(1), executor=LocalExecutor(), progress=Silent())


def test_what_is_measured_besides_is_json(dataset):
    class Extra(Forgetful):
        def __init__(self, extra):
            super().__init__(2)
            self.extra = extra

        def extract(self, dataset, **given):
            return msgspec.structs.replace(super().extract(dataset, **given), extra=self.extra)

    given = {"executor": LocalExecutor(), "progress": Silent()}
    assert measure(dataset, Extra({"lab": {"sizes": [1.5]}}), **given).extra == {"lab": {"sizes": [1.5]}}
    with pytest.raises(InvalidPlugin, match=r"Extra gave an extra that JSON does not hold: lab is numpy.ndarray"):
        measure(dataset, Extra({"lab": np.ones(2)}), **given)
