"""Stores of preprocessed cases survive anything, and are made anew when a decision changes."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import textwrap
import threading

import msgspec
import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidOptions, Problems
from nnplug.plans.plans import Choice, Normalization
from nnplug.preparation.preprocess import _decisions, preprocess_dataset
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.lock import locked
from nnplug.runtime.progress import Silent
from nnplug.workspace.case_store import CaseStore, StoredCase
from nnplug_nnunet.training.patch_centres import draw_voxels, stored_voxels

TRAINER = {"trainer": Choice(name="nnunet")}
LABELS = Labels({"background": (0,), "a": (1,), "b": (2,)})


@pytest.fixture
def image():
    image = np.zeros((1, 8, 9, 10), np.float32)
    image[0, 2:7, 1:8, 3:9] = np.random.default_rng(0).normal(50, 9, (5, 7, 6))
    return image


@pytest.fixture
def preprocess(plans, plugins, tmp_path):
    """Preprocess a dataset's folder into one store, with fields of the configuration replaced."""

    def run(folder, workers=2, choices=TRAINER, progress=None, **fields):
        changed = msgspec.structs.replace(plans.configuration("3d_fullres"), **fields)
        return preprocess_dataset(
            Dataset.open(folder),
            msgspec.structs.replace(plans, configurations={"3d_fullres": changed}, choices=choices),
            "3d_fullres",
            tmp_path / "store",
            Runtime(plugins, LocalExecutor(workers), progress=progress or Silent()),
        )

    return run


def times(store):
    return {name: (store.folder / name / "image.npy").stat().st_mtime_ns for name in store}


@pytest.fixture
def dataset(write_dataset, image):
    label = (image[0] > 50).astype(np.uint8)
    return write_dataset({name: (image + index, label) for index, name in enumerate("abc")})


def test_a_second_call_does_nothing(preprocess, dataset):
    before = times(preprocess(dataset))
    assert list(before) == ["a", "b", "c"]
    assert times(preprocess(dataset)) == before
    assert times(preprocess(dataset, batch_size=7)) == before


def test_another_process_finds_the_same_cases_done(preprocess, dataset, plans):
    """Python's hashes differ between processes: nothing recorded may depend on them."""
    plans.write(dataset / "plans.json")
    code = """
        import sys
        from pathlib import Path
        from nnplug.dataset.dataset import Dataset
        from nnplug import Plugins
        from nnplug.plans.plans import read_plans
        from nnplug.preparation.preprocess import _decisions
        folder, registry = Path(sys.argv[1]), Plugins().registry
        print(_decisions(read_plans(folder / "plans.json"), "3d_fullres", Dataset.open(folder), registry))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(dataset)]
    runs = [subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True) for seed in "12"]
    assert runs[0].stdout == runs[1].stdout != ""


def test_a_second_call_waits_for_the_first(preprocess, dataset, tmp_path):
    """It would remove the temporary folders of the first, which then fails."""
    notices = queue.Queue()

    class Heard(Silent):
        def notice(self, text):
            notices.put(text)

    second = threading.Thread(target=preprocess, args=(dataset,), kwargs={"progress": Heard()})
    with locked(tmp_path / ".store.lock", what="first"):
        second.start()
        told = notices.get(timeout=60)
        assert told.startswith(f"{tmp_path / 'store'}: waits for process {os.getpid()} of user")
        assert not (tmp_path / "store").exists()
    second.join()
    assert set(CaseStore(tmp_path / "store")) == {"a", "b", "c"}


def test_hidden_folders_of_others_stay(preprocess, dataset):
    store = preprocess(dataset)
    (store.folder / ".snapshot").mkdir()
    preprocess(dataset)
    assert (store.folder / ".snapshot").is_dir()


def test_a_finished_store_that_may_not_be_written_is_used(preprocess, dataset, tmp_path, monkeypatch):
    store = preprocess(dataset)
    (tmp_path / ".store.lock").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert set(preprocess(dataset)) == set(store)
    assert not (tmp_path / ".store.lock").exists()


def test_changed_files_and_leftovers_are_done_again(preprocess, dataset):
    store = preprocess(dataset)
    before = times(store)
    os.utime(dataset / "labelsTr" / "b.nii.gz", ns=(1, 1))
    (store.folder / "c" / "voxels.npy").write_bytes(b"")
    (store.folder / ".0123abcd-killed").mkdir()
    after = times(preprocess(dataset))
    assert [name for name in "abc" if after[name] != before[name]] == ["b", "c"]
    assert not (store.folder / ".0123abcd-killed").exists()
    assert len(stored_voxels(CaseStore(store.folder)["c"])[0]["1"]) > 0


def test_a_store_without_an_index_gets_it_and_keeps_its_images(preprocess, dataset):
    """As after a change of the trainer, or with cases that nnplug stored before it recorded which rule made it."""
    before = times(preprocess(dataset, choices={}))
    assert [case.index.key for case in CaseStore(dataset.parent / "store").values()] == [None] * 3
    store = preprocess(dataset)
    assert times(store) == before
    for case in store.values():
        drawn = draw_voxels(case.label[...], LABELS)[0]
        for key, voxels in stored_voxels(case)[0].items():
            np.testing.assert_array_equal(np.asarray(voxels), drawn[key])
    (digest,) = {case.index.key for case in store.values()}
    assert digest is not None


def test_a_trainer_that_is_not_installed_is_waited_for(preprocess, dataset):
    store = preprocess(dataset, choices={"trainer": Choice(name="not-here")})
    assert {case.index.key for case in store.values()} == {None}


def test_changed_plans_change_every_case(preprocess, dataset):
    before = times(preprocess(dataset))
    after = times(preprocess(dataset, normalization=(Normalization(name="none", use_mask=False),)))
    assert all(after[name] != before[name] for name in "abc")


def test_cases_that_are_gone_are_removed(preprocess, dataset):
    preprocess(dataset)
    (dataset / "imagesTr" / "b_0000.nii.gz").unlink()
    assert list(preprocess(dataset)) == ["a", "c"]


def test_the_number_of_workers_changes_nothing(preprocess, dataset):
    one = {name: np.asarray(case.image) for name, case in preprocess(dataset, workers=1).items()}
    os.utime(dataset / "imagesTr" / "a_0000.nii.gz", ns=(1, 1))
    for name, case in preprocess(dataset, workers=3).items():
        np.testing.assert_array_equal(case.image, one[name])


def test_a_bad_case_is_named_and_the_others_are_stored(preprocess, dataset):
    (dataset / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(Problems, match=r"^preprocess of b: .*labelsTr/b\.nii\.gz: cannot be read"):
        preprocess(dataset)
    assert list(CaseStore(dataset.parent / "store")) == ["a", "c"]


def test_a_refused_value_names_the_case(preprocess, write_dataset, image):
    folder = write_dataset({"a": (image + 300, (image[0] > 0).astype(np.uint8))})
    with pytest.raises(Problems, match="preprocess of a: normalizer 'rgb-0-1' takes values from 0 to 255"):
        preprocess(folder, normalization=(Normalization(name="rgb-0-1", use_mask=False),))


OLDER_DECISIONS = (
    '[1, [0, 1, 2], {}, [1.0, 1.0, 1.0], [{"name": "zscore", "use_mask": false}], {"image": '
    '{"order": 3, "order_z": 0}, "label": {"order": 1, "order_z": 0}, "probability": {"order": 1, "order_z": 0}}, '
    '[["1", "2"], [[1], [2]], [0, 1, 2], null]]'
)
"""As nnplug wrote them before preprocessors were components."""


def test_stores_of_an_older_nnplug_stay_valid(dataset, plans, plugins):
    opened = Dataset.open(dataset)
    assert _decisions(plans, "3d_fullres", opened, plugins.registry) == OLDER_DECISIONS
    named = msgspec.structs.replace(plans, choices={"preprocessor": Choice(name="nnunet")})
    assert _decisions(named, "3d_fullres", opened, plugins.registry) == OLDER_DECISIONS


def test_options_of_a_normalizer_reach_it_and_are_checked(preprocess, dataset, plugins, install):
    with pytest.raises(InvalidOptions, match="normalizer 'zscore' has no option 'gain'. It has no options"):
        preprocess(dataset, normalization=(Normalization(name="zscore", use_mask=False, options={"gain": 2}),))


def test_a_restart_opens_each_stored_case_once(dataset, preprocess, monkeypatch):
    """Each opening takes dozens of calls to the file system, which may be on a network."""
    preprocess(dataset)
    opened = []
    usual = StoredCase.open.__func__
    monkeypatch.setattr(StoredCase, "open", classmethod(lambda cls, path: opened.append(path.name) or usual(cls, path)))
    store = preprocess(dataset)
    assert opened == ["a", "b", "c"]
    assert store["a"].image.shape[0] == 1
    assert opened == ["a", "b", "c"]
    changed = preprocess(dataset, spacing=(1.0, 1.0, 2.0))
    assert changed["a"].image.shape != store["a"].image.shape
