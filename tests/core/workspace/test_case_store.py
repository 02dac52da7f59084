"""The case store: what is written is read, slice by slice, without files left open."""

from __future__ import annotations

import mmap
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import nnplug
from nnplug.errors import NnplugError
from nnplug.io.crop_info import CropInfo
from nnplug.workspace.case_index import CaseIndex, StoredIndex
from nnplug.workspace.case_store import CaseStore, Prepared, UnknownCase

SHAPE = (3, 4, 5)
INFO = CropInfo(
    original_shape=(4, 5, 6),
    original_spacing=(1, 1, 1),
    transpose_forward=(0, 1, 2),
    bounding_box=((0, 3), (0, 4), (0, 5)),
    shape=SHAPE,
    spacing=(1, 1, 1),
).data()


INDEX = CaseIndex({"corners": np.array([[0, 1, 2], [2, 0, 0]], np.int32)}, {"corner": {"a": 2}, "other": None})


def prepared(seed=0):
    random = np.random.default_rng(seed)
    label = random.integers(-1, 3, SHAPE, np.int16)
    return Prepared(random.random((2, *SHAPE), np.float32), label, INFO)


@pytest.fixture
def store(tmp_path):
    return CaseStore(tmp_path / "store")


def test_a_case_comes_back(store):
    case = prepared()
    store.write("a", case, source="digest", index=INDEX, index_key="rule")
    stored = nnplug.CaseStore(store.folder)["a"]
    np.testing.assert_array_equal(np.asarray(stored.image), case.image)
    np.testing.assert_array_equal(np.asarray(stored.label), case.label)
    assert (stored.image.dtype, stored.label.dtype) == (np.float32, np.int16)
    assert (stored.name, stored.info, stored.source) == ("a", INFO, "digest")
    assert (stored.index.key, stored.index.values) == ("rule", INDEX.values)
    assert list(stored.index.arrays) == ["corners"]
    np.testing.assert_array_equal(stored.index.arrays["corners"].rows(1, 2)[0], [2, 0, 0])


def test_arrays_in_another_order_come_back(store):
    """As `np.argwhere` and transposing give them."""
    case = prepared()
    turned = Prepared(np.asfortranarray(case.image), np.asfortranarray(case.label), INFO)
    index = CaseIndex({"voxels": np.argwhere(case.label > 0).astype(np.int32)})
    assert not index.arrays["voxels"].flags.c_contiguous
    store.write("a", turned, index=index)
    np.testing.assert_array_equal(store["a"].image[:, 1], case.image[:, 1])
    np.testing.assert_array_equal(store["a"].label[2], case.label[2])
    np.testing.assert_array_equal(store["a"].index.arrays["voxels"][1], np.argwhere(case.label > 0)[1])
    store.write_index("a", index, "again")
    np.testing.assert_array_equal(store["a"].index.arrays["voxels"][1], np.argwhere(case.label > 0)[1])


def test_a_case_without_an_index_has_an_empty_one(store):
    store.write("a", prepared())
    assert store["a"].index == StoredIndex()


def test_another_index_replaces_the_first_and_leaves_the_images(store):
    store.write("a", prepared(), source="digest", index=INDEX, index_key="rule")
    before = (store.folder / "a" / "image.npy").stat().st_mtime_ns
    store.write_index("a", CaseIndex({"edges": np.ones(3)}, {"count": 3}), "another")
    for stored in (store["a"], CaseStore(store.folder)["a"]):
        assert (stored.source, stored.info) == ("digest", INFO)
        assert (stored.index.key, stored.index.values, list(stored.index.arrays)) == (
            "another",
            {"count": 3},
            ["edges"],
        )
    assert sorted(file.name for file in (store.folder / "a").iterdir()) == [
        "case.json",
        "edges.npy",
        "image.npy",
        "label.npy",
    ]
    assert (store.folder / "a" / "image.npy").stat().st_mtime_ns == before


def test_a_kill_between_the_files_of_an_index_leaves_none(store, monkeypatch):
    """The values of the first rule must never be read with the arrays of the second."""
    store.write("a", prepared(), index=INDEX, index_key="rule")

    def killed(path, array):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_index("a", CaseIndex({"corners": np.zeros((1, 3))}, {"corner": {"a": 1}}), "another")
    stored = CaseStore(store.folder)["a"]
    assert (stored.index.key, stored.index.values) == (None, {})


@pytest.mark.parametrize(
    ("arrays", "values", "name"),
    [({"label": 1}, {}, "label"), ({"../a": 1}, {}, "../a"), ({}, {"source": 1}, "source")],
)
def test_names_of_the_case_itself_are_refused(arrays, values, name):
    with pytest.raises(ValueError, match=f"a case index cannot hold .* '{name}'"):
        CaseIndex(arrays, values)


def test_a_case_json_of_another_shape_is_named(store):
    store.write("a", prepared())
    (store.folder / "a" / "case.json").write_text("[]")
    with pytest.raises(
        NnplugError, match=r"a/case\.json: expected a JSON object. Delete .*/a and preprocess the dataset again"
    ):
        CaseStore(store.folder)["a"]


@pytest.mark.parametrize("key", [np.s_[:, 1], np.s_[0, 1:3, 2:, ::2], np.s_[..., 3], np.s_[1, 2, 3, 4]])
def test_slices_equal_numpys(store, key):
    case = prepared()
    store.write("a", case)
    np.testing.assert_array_equal(store["a"].image[key], case.image[key])


def test_what_is_read_is_a_copy(store):
    store.write("a", prepared())
    store["a"].image[0][:] = 7
    assert not np.any(np.asarray(store["a"].image) == 7)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(store["a"].image, copy=False)


def test_the_store_is_a_mapping_in_order(store):
    assert list(store) == []
    for name in ("b", "a", "c.x"):
        store.write(name, prepared())
    assert list(store) == ["a", "b", "c.x"]
    assert len(store) == 3
    assert "a" in store
    assert "d" not in store
    assert store.get("d") is None


def test_an_unknown_case_suggests_the_nearest(store):
    store.write("case_001", prepared())
    with pytest.raises(UnknownCase) as error:
        store["case_01"]
    assert str(error.value) == f"{store.folder}: no preprocessed case 'case_01'. Did you mean 'case_001'?"
    with pytest.raises(NnplugError, match=r"no preprocessed case 'x'. Preprocess the dataset again"):
        store["x"]


def test_a_case_is_replaced_and_removed(store):
    store.write("a", prepared(0))
    old = np.asarray(store["a"].image)
    store.write("a", prepared(1))
    assert not np.array_equal(store["a"].image, old)
    store.remove("a")
    assert "a" not in store


def test_a_write_that_fails_leaves_the_old_case(store, monkeypatch):
    store.write("a", prepared(0))
    old = np.asarray(store["a"].image)
    real = np.save

    def full(path, array):
        if path.name == "label.npy":
            raise OSError(28, "No space left on device")
        real(path, array)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(NnplugError, match=r"No space left on device.*Free some space"):
        store.write("a", prepared(1))
    np.testing.assert_array_equal(CaseStore(store.folder)["a"].image, old)
    assert [entry.name for entry in store.folder.iterdir()] == ["a"]


def test_leftovers_of_a_kill_are_no_cases(store):
    store.write("a", prepared())
    leftover = store.folder / ".0123abcd-b"
    leftover.mkdir()
    (leftover / "case.json").write_text("{}")
    assert list(store) == ["a"]
    store.remove_leftovers()
    assert not leftover.exists()


def test_a_truncated_file_is_named(store):
    store.write("a", prepared())
    path = store.folder / "a" / "image.npy"
    case = store["a"]
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(NnplugError, match=r"image\.npy: cannot be read .* Delete .*/a and preprocess the dataset"):
        case.image[0]
    with pytest.raises(NnplugError, match=r"image\.npy: cannot be read"):
        CaseStore(store.folder)["a"]
    path.unlink()
    with pytest.raises(NnplugError, match="No such file"):
        case.image[0]


def test_more_cases_than_file_descriptors_are_read_by_threads(store):
    """Results are held too: a copy must not keep its file mapped."""
    cases = {f"{i:03d}": prepared(i) for i in range(60)}
    for name, case in cases.items():
        store.write(name, case)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 30, hard))
    try:
        with ThreadPoolExecutor(4) as pool:
            read = list(pool.map(lambda name: store[name].image[:, 1], [*cases] * 3))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for name, array in zip([*cases] * 3, read, strict=True):
        np.testing.assert_array_equal(array, cases[name].image[:, 1])
    assert str(store.folder) not in Path("/proc/self/maps").read_text()


def test_where_files_cannot_be_mapped_they_are_read(store, monkeypatch):
    case = prepared()
    store.write("a", case)

    def deny(*args, **kwargs):
        raise PermissionError(13, "access denied")

    monkeypatch.setattr(mmap, "mmap", deny)
    stored = CaseStore(store.folder)["a"]
    np.testing.assert_array_equal(np.asarray(stored.image), case.image)
    np.testing.assert_array_equal(stored.image[1, :, 2:4], case.image[1, :, 2:4])


@pytest.mark.parametrize("header", [b"{'descr': '<f4', ", b"    {'descr'\n\t  : "])
def test_a_header_that_numpy_cannot_parse_is_named(header, tmp_path):
    """numpy's parser raises errors of Python's tokenizer for it."""
    store = CaseStore(tmp_path)
    store.write("a", prepared())
    file = tmp_path / "a" / "image.npy"
    data = file.read_bytes()
    file.write_bytes(data[:10] + header.ljust(int.from_bytes(data[8:10], "little")) + data[138:])
    with pytest.raises(NnplugError, match=r"image\.npy: cannot be read"):
        CaseStore(tmp_path)["a"]
