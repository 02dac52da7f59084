"""Images without label maps, on disk beside the preprocessed cases."""

import numpy as np
import pytest

from nnplug.errors import NnplugError
from nnplug.testing.samples import CHANNELS, SHAPE, write_unlabelled
from nnplug.workspace.unlabelled import UnlabelledStore


@pytest.fixture
def store(tmp_path):
    return write_unlabelled(UnlabelledStore.beside(tmp_path / "cases").folder, "ba")


def test_it_lies_beside_the_cases_and_patches_of_it_are_read(store, tmp_path):
    assert store.folder == tmp_path / "cases_unlabelled"
    assert (list(store), len(store)) == (["a", "b"], 2)
    image = store["a"].image
    assert (image.shape, image.dtype) == ((CHANNELS, *SHAPE), np.float32)
    np.testing.assert_array_equal(image[:, 3:5], np.load(store.folder / "a" / "image.npy")[:, 3:5])
    assert not (store.folder / "a" / "label.npy").exists()


def test_a_damaged_or_outdated_image_is_not_held(store):
    assert store.holds("a", "the kit")
    assert not store.holds("a", "another")
    assert not store.holds("c", "the kit")
    (store.folder / "a" / "image.npy").write_bytes(b"")
    assert not store.holds("a", "the kit")


def test_an_unknown_name_is_one_line(store):
    with pytest.raises(NnplugError, match=r"cases_unlabelled: no preprocessed image 'c'"):
        store["c"]


def test_others_and_leftovers_are_removed(store):
    (store.folder / ".0123abcd-killed").mkdir()
    store.keep_only({"b"})
    assert sorted(path.name for path in store.folder.iterdir()) == ["b"]


def test_a_store_that_was_never_written_is_empty(tmp_path):
    assert list(UnlabelledStore(tmp_path / "none")) == []
