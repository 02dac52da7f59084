"""The index that a trainer wants beside each case: whose it is, when it is made again, and what an old store keeps."""

from __future__ import annotations

import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from nnplug import TrainerComponent
from nnplug.contracts import CaseIndex
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidPlugin, Problems
from nnplug.preparation.case_index import Indexing, complete_index, indexing_of
from nnplug.registry.components import Entry, Source
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing.samples import LABELS, write_cases
from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import PatchCentres, draw_voxels, stored_voxels

OLD_STORE = Path(__file__).parent / "golden" / "store"
"""Two cases as nnplug stored them before it recorded whose index they have; labels 1 and 2, and 3 to be ignored."""
OLD_LABELS = Labels({"background": (0,), "a": (1,), "b": (2,)}, ignore=3)


class Brightest:
    """The rule of a foreign trainer."""

    version = 1

    def index(self, label, labels):
        return CaseIndex({"brightest": np.argwhere(label == label.max())}, {"highest": int(label.max())})


class Failing(Brightest):
    def index(self, label, labels):
        return {"voxels": label}


def complete(store, indexer, labels=LABELS, names="abc"):
    complete_index(store, names, Indexing(indexer, labels), executor=LocalExecutor(1), progress=Silent())


def entry(case_index):
    component = TrainerComponent("odd", "fake_odd:Trainer", "", case_index=case_index)
    return Entry(component, Source("odd", "nnplug-odd", "1.0"))


def times(store):
    return {file: file.stat().st_mtime_ns for file in store.folder.rglob("*.npy")}


@pytest.fixture
def store(tmp_path):
    return write_cases(tmp_path / "cases")


def test_only_cases_that_lack_the_index_get_it(store):
    complete(store, Brightest(), names="a")
    before = times(store)
    complete(store, Brightest())
    assert [store[name].index.values for name in "abc"] == [{"highest": 2}] * 3
    assert {file: when for file, when in times(store).items() if file in before} == before


def test_another_trainers_index_is_replaced(store):
    complete(store, Brightest())
    complete(store, PatchCentres())
    assert list(store["a"].index.arrays) == ["voxels"]
    assert store["a"].index.values.keys() == {"foreground", "annotated"}
    complete(store, Brightest())
    assert list(store["a"].index.arrays) == ["brightest"]


def test_another_version_and_other_labels_are_another_index(monkeypatch):
    first = Indexing(Brightest(), LABELS).key
    assert Indexing(Brightest(), LABELS).key == first
    assert Indexing(Failing(), LABELS).key != first
    assert Indexing(Brightest(), replace(LABELS, ignore=9)).key != first
    monkeypatch.setattr(Brightest, "version", 2)
    assert Indexing(Brightest(), LABELS).key != first


def test_the_rule_of_nnunets_trainer_comes_from_its_entry_and_travels():
    indexing = indexing_of(Plugins().registry.get(TrainerComponent.kind, "nnunet"), LABELS)
    assert indexing == Indexing(PatchCentres(), LABELS)
    assert pickle.loads(pickle.dumps(indexing)).key == indexing.key


def test_a_trainer_without_a_rule_has_none():
    assert indexing_of(entry(None), LABELS) is None


def test_a_rule_that_cannot_be_imported_is_named(monkeypatch):
    module = ModuleType("fake_odd")
    monkeypatch.setitem(sys.modules, "fake_odd", module)
    with pytest.raises(InvalidPlugin, match="trainer 'odd' from nnplug-odd 1.0 cannot be imported .*fake_odd:Absent"):
        indexing_of(entry("fake_odd:Absent"), LABELS)


def test_a_rule_that_breaks_its_contract_is_named_with_the_case(store, monkeypatch):
    module = ModuleType("fake_odd")
    module.Failing = Failing
    monkeypatch.setitem(sys.modules, "fake_odd", module)
    indexing = indexing_of(entry("fake_odd:Failing"), LABELS)
    with pytest.raises(
        Problems, match="index of a: trainer 'odd' from nnplug-odd 1.0 gave dict instead of .*CaseIndex"
    ):
        complete_index(store, "a", indexing, executor=LocalExecutor(1), progress=Silent())


def test_a_store_of_an_earlier_version_is_read_and_completed(tmp_path):
    shutil.copytree(OLD_STORE, tmp_path / "store")
    store = CaseStore(tmp_path / "store")
    assert list(store) == ["p", "q"]
    for case in store.values():
        assert (case.index.key, case.source) == (None, "digest")
        assert case.image.shape == (1, *case.label.shape)
        foreground, annotated = draw_voxels(case.label[...], OLD_LABELS)
        stored, stored_annotated = stored_voxels(case)
        assert list(stored) == list(foreground)
        for key, voxels in foreground.items():
            np.testing.assert_array_equal(np.asarray(stored[key]), voxels)
        np.testing.assert_array_equal(np.asarray(stored_annotated), annotated)
    before = {file: file.read_bytes() for file in store.folder.rglob("*.npy")}
    complete(store, PatchCentres(), OLD_LABELS, names=("p", "q"))
    assert {file: file.read_bytes() for file in store.folder.rglob("*.npy")} == before
    assert store["p"].index.key == Indexing(PatchCentres(), OLD_LABELS).key
