"""The choice of a file's reader, and what readers of plugins may do wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnplug.errors import AmbiguousComponent, ComponentFailed, InvalidFile, InvalidPlugin, UnknownComponent
from nnplug.io import images
from nnplug.io.geometry import Geometry
from nnplug.io.readers import Readers, core_readers
from nnplug.registry.components import Entry, Registry, Source
from nnplug.registry.loader import Plugins
from nnplug.registry.reader_entry import ReaderComponent

PLACE = Geometry((2, 3, 4), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel().tolist()))


class Odd:
    """A reader whose every method does what a class attribute says."""

    def read(self, path):
        return np.zeros((1, 2, 3, 4)), PLACE

    def read_geometry(self, path):
        return PLACE

    def write_label(self, path, array, geometry):
        raise KeyError("no such key")


class GivesArrayAlone(Odd):
    def read(self, path):
        return np.zeros((1, 2, 3, 4))


class GivesWords(Odd):
    def read(self, path):
        return np.full((1, 2, 3, 4), "a"), PLACE


class GivesOtherShape(Odd):
    def read(self, path):
        return np.zeros((1, 4, 3, 2)), PLACE


class GivesList(Odd):
    def read(self, path):
        return np.zeros((1, 2, 3, 4)).tolist(), PLACE


class GivesSpacing(Odd):
    def read_geometry(self, path):
        return (1.0, 1.0, 1.0)


class Stumbles(Odd):
    def read(self, path):
        return {}["voxels"]


class FindsNothing(Odd):
    def read(self, path):
        return path.read_bytes()


@pytest.fixture
def reader(monkeypatch):
    """`reader(name, target, ..)`: the entry of a class of this module."""
    monkeypatch.setitem(sys.modules, "odd_readers", sys.modules[__name__])

    def entry(name="odd", target=Odd, *, endings=(".odd",), distribution="nnplug-odd", **fields):
        component = ReaderComponent(name, f"odd_readers:{target.__name__}", "", endings=endings, **fields)
        return Entry(component, Source(name, distribution, "1.0"))

    return entry


def test_the_core_reads_what_it_did_before_readers_were_components():
    readers = core_readers()
    assert readers.endings == (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".png", ".bmp", ".tif", ".tiff")
    assert readers.all_endings == (*readers.endings, ".jpg", ".jpeg", ".nhdr", ".gipl")
    assert readers == Readers.of(Registry([e for e in Plugins().registry if e.source.distribution == "nnplug-core"]))


def test_the_readers_of_blocked_plugins_are_away_but_the_cores_stays():
    readers = Readers.of(Plugins(block=["core"]).registry)
    assert readers.entry(Path("a.nii.gz")) == core_readers().entry(Path("a.nii.gz"))


def test_choosing_a_reader_imports_none():
    code = (
        "import sys; from pathlib import Path; from nnplug.io.readers import core_readers;"
        "core_readers().for_dataset(None, '.nii.gz', 'd').entry(Path('a.nii.gz'));"
        "sys.exit('SimpleITK' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_implied_reader_comes_first_then_the_only_one_and_a_preferred_one_before_both(reader):
    readers = Readers((reader("other", endings=(".nii.gz", ".odd")), *core_readers().entries))
    assert readers.entry(Path("a.nii.gz")).name == "simpleitk"
    assert readers.entry(Path("A.NII.GZ")).name == "simpleitk"
    assert readers.entry(Path("a.odd")).name == "other"
    preferring = readers.for_dataset("other", ".odd", "d")
    assert preferring.entry(Path("a.nii.gz")).name == "other"
    assert preferring.entry(Path("a.png")).name == "simpleitk"
    assert pickle.loads(pickle.dumps(preferring)) == preferring


def test_the_longest_ending_decides(reader):
    readers = Readers((reader("flat", endings=(".tif",)), reader("deep", endings=(".ome.tif",))))
    assert [readers.entry(Path(name)).name for name in ("a.tif", "a.ome.tif")] == ["flat", "deep"]
    assert readers.ending(Path("b.OME.tif")) == ".ome.tif"


def test_no_reader_of_an_ending_names_the_file_and_those_known():
    with pytest.raises(InvalidFile, match=r"a\.xyz: no image that nnplug reads; it reads \.nii\.gz, .*simpleitk\)"):
        images.read_image([Path("a.xyz")])


def test_two_readers_of_an_ending_are_a_choice(reader):
    readers = Readers((reader("one"), reader("two")))
    message = r"a\.odd: reader 'one' from nnplug-odd 1\.0 and reader 'two' .* read such files\. Name one of one, two"
    with pytest.raises(AmbiguousComponent, match=message):
        images.read_image([Path("a.odd")], readers)
    with pytest.raises(AmbiguousComponent, match="dataset.json: files .* Name one of one, two"):
        readers.for_dataset(None, ".odd", "dataset.json")
    assert readers.for_dataset("two", ".odd", "dataset.json").entry(Path("a.odd")).name == "two"


def test_one_name_from_two_distributions_is_to_be_blocked(reader):
    readers = Readers((reader("one"), reader("one", distribution="nnplug-copy")))
    with pytest.raises(AmbiguousComponent, match=r"have one name\. Block one of nnplug-odd, nnplug-copy"):
        readers.only("one")


def test_a_reader_that_is_insisted_on_must_exist_and_read_the_file(reader):
    readers = Readers((reader("one"), *core_readers().entries))
    with pytest.raises(UnknownComponent, match="no reader is called 'simpleitc'. Did you mean 'simpleitk'"):
        readers.only("simpleitc")
    with pytest.raises(InvalidFile, match=r"a\.png: no image that nnplug reads; it reads \.odd \(readers: one\)"):
        readers.only("one").entry(Path("a.png"))


def test_a_reader_by_another_frameworks_name_wins_over_the_implied_one(reader):
    named = reader("precise", endings=(".nii.gz",), dataset_names={"NibabelIO": (".nii.gz",)})
    readers = Readers((named, *core_readers().entries))
    assert readers.for_dataset("NibabelIO", ".nii.gz", "d").entry(Path("a.nii.gz")).name == "precise"
    assert core_readers().for_dataset("NibabelIO", ".nii.gz", "d").entry(Path("a.nii.gz")).name == "simpleitk"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (GivesArrayAlone, r"reader 'odd' from nnplug-odd 1\.0 gave ndarray instead of tuple"),
        (
            GivesWords,
            r"reader 'odd' from nnplug-odd 1\.0 gave <U1 of shape .* for a\.odd; expected numbers \(C, 2, 3, 4\)",
        ),
        (GivesOtherShape, r"gave float64 of shape \(1, 4, 3, 2\) for a\.odd; expected numbers \(C, 2, 3, 4\)"),
        (GivesList, r"reader 'odd' from nnplug-odd 1\.0 gave list instead of numpy\.ndarray"),
    ],
)
def test_what_a_reader_returns_is_checked(reader, target, message):
    with pytest.raises(InvalidPlugin, match=message):
        images.read_voxels(Path("a.odd"), Readers((reader(target=target),)))


def test_the_geometry_that_a_reader_returns_is_checked(reader):
    with pytest.raises(InvalidPlugin, match=r"gave tuple instead of nnplug\.io\.geometry\.Geometry"):
        images.read_geometry(Path("a.odd"), Readers((reader(target=GivesSpacing),)))


def test_a_reader_that_raises_is_named_with_the_file(reader):
    readers = Readers((reader(target=Stumbles),))
    with pytest.raises(ComponentFailed, match=r"a\.odd: reader 'odd' from nnplug-odd 1\.0 failed: KeyError: 'voxels'"):
        images.read_image([Path("a.odd")], readers)
    with pytest.raises(ComponentFailed, match=r"a\.odd: reader 'odd' .* failed: KeyError: 'no such key'"):
        images.write_label(Path("a.odd"), np.zeros((2, 3, 4), int), PLACE, readers)


def test_a_file_that_is_not_there_is_a_fault_of_the_dataset_with_any_reader(reader, tmp_path):
    with pytest.raises(InvalidFile, match=r"a\.odd: cannot be read \(No such file or directory\)\. Verify the dataset"):
        images.read_image([tmp_path / "a.odd"], Readers((reader(target=FindsNothing),)))


def test_a_reader_that_writes_no_images_is_no_target_of_conversion(reader):
    message = r"a\.odd: reader 'odd' .* writes no images, only label maps; choose another file_ending"
    with pytest.raises(InvalidFile, match=message):
        images.write_image(Path("a.odd"), np.zeros((2, 3, 4)), PLACE, Readers((reader(),)))


def test_promised_methods_must_be_there(reader):
    readers = Readers((reader(has_sidecars=True),))
    with pytest.raises(InvalidPlugin, match="says has_sidecars in its entry, but Odd has no method 'read_with'"):
        readers.get(Path("a.odd"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"endings": ("nii.gz",)}, r"endings of component 'odd' is \('nii\.gz',\); expected lower-case endings"),
        ({"endings": (".NII",)}, r"endings of component 'odd' is \('\.NII',\)"),
        ({"endings": ".nii"}, "endings of component 'odd' is '.nii'"),
        ({"endings": ()}, "endings of component 'odd' is empty; name a file ending"),
        ({"endings": (".a",), "reads_also": ["x"]}, r"reads_also of component 'odd' is \['x'\]"),
        ({"endings": (".a",), "dataset_names": {"AIO": ".a"}}, "AIO of component 'odd' is '.a'"),
    ],
)
def test_endings_of_an_entry_are_checked(fields, message):
    with pytest.raises(InvalidPlugin, match=message):
        ReaderComponent("odd", "odd_readers:Odd", "", **fields)
