"""Writers: how they are chosen, asked before a prediction, and blamed for their faults."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import ComponentFailed, InvalidOptions, InvalidPlugin, Problems, UnknownComponent
from nnplug.inference.outputs.writers import check_writers, choose_writers
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.images import read_label
from nnplug.registry.loader import Plugins
from nnplug.registry.reader_entry import WriterComponent
from nnplug.runtime.progress import Silent

PLACE = Geometry((2, 3, 4), (3.0, 1.0, 1.0), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel().tolist()))
RAW = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".png"}
DESCRIPTION = DatasetDescription.from_data(RAW, "test")
BODY = """
    from nnplug.errors import NnplugError

    class Words:
        def __init__(self, words: str = ""):
            self.words = words

        def check(self, case, description):
            if case.name == "b":
                raise NnplugError("b has no words")
            return (f"{self.words} are written",)

        def write(self, path, predicted):
            raise ValueError("no ink")

        def example(self, folder): ...

    class Mute(Words):
        def check(self, case, description):
            return None

        def write(self, path, predicted):
            pass

    class Half(Words):
        def write(self, path, predicted):
            path.write_text("half")
            raise ValueError("no ink")

    @hookimpl
    def nnplug_writers():
        yield WriterComponent("words", f"{__name__}:Words", "", ending=".txt")
        yield WriterComponent("mute", f"{__name__}:Mute", "", ending=".mute.txt")
        yield WriterComponent("half", f"{__name__}:Half", "", ending=".half.txt")
"""


class Notices(Silent):
    def __init__(self):
        self.lines = []

    def notice(self, message):
        self.lines.append(message)


@pytest.fixture
def registry(install):
    install("nnplug-words", "words", BODY)
    return Plugins().registry


def predicted():
    label_map = LabelMap(np.arange(24, dtype=np.int16).reshape(PLACE.shape) % 2, PLACE)
    return PredictedCase(CaseFiles("a", (Path("a.png"),)), label_map, DESCRIPTION, "Dataset001_A nnunet 2d", "0" * 12)


def test_an_option_is_given_to_every_writer_that_has_it_or_to_the_named_one(registry):
    chosen = choose_writers(["nifti", "words", "mute", "words"], {"words": "x", "mute.words": "y"}, registry)
    assert [(one.entry.name, one.ending, one.options) for one in chosen] == [
        ("nifti", ".nii.gz", {}),
        ("words", ".txt", {"words": "x"}),
        ("mute", ".mute.txt", {"words": "y"}),
    ]
    assert pickle.loads(pickle.dumps(chosen)) == chosen
    assert choose_writers([], {}, registry) == ()


@pytest.mark.parametrize(
    ("names", "options", "error", "message"),
    [
        (["word"], {}, UnknownComponent, "no writer is called 'word'. Did you mean 'words'?"),
        ([], {"words": "x"}, InvalidOptions, "writer.words is set, but no writer is named that has an option 'words'"),
        (["nifti"], {"words": "x"}, InvalidOptions, "writer.words is set, but none of nifti has an option 'words'"),
        (["nifti"], {"words.words": "x"}, InvalidOptions, "writer.words.words is set, but no writer 'words' is named"),
        (["words"], {"words.ink": "x"}, InvalidOptions, "ink"),
    ],
)
def test_mistakes_are_one_line(registry, names, options, error, message):
    with pytest.raises(error) as caught:
        choose_writers(names, options, registry)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_writers_are_asked_about_every_case_and_each_notice_is_given_once(registry):
    progress, chosen = Notices(), choose_writers(["words"], {"words": "ten lines"}, registry)
    cases = [CaseFiles(name, (Path(f"{name}.png"),)) for name in ("a", "c")]
    check_writers(chosen, cases, DESCRIPTION, progress)
    assert progress.lines == ["ten lines are written"]
    with pytest.raises(Problems, match="^b: b has no words$"):
        check_writers(chosen, [*cases, CaseFiles("b", (Path("b.png"),))], DESCRIPTION, progress)
    with pytest.raises(Problems, match="mute.*NoneType"):
        check_writers(choose_writers(["mute"], {}, registry), cases, DESCRIPTION, progress)


def test_a_writer_that_fails_is_named_with_the_file(registry, tmp_path):
    (writer,) = choose_writers(["words"], {}, registry)
    with pytest.raises(ComponentFailed, match=rf"^{tmp_path}/a.txt: .*'words' from nnplug-words 1.0.*no ink"):
        writer.write(tmp_path / "a.txt", predicted())


def test_a_writer_that_fails_leaves_nothing_and_an_earlier_file_stays(registry, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (writer,) = choose_writers(["half"], {}, registry)
    with pytest.raises(ComponentFailed, match="no ink"):
        writer.write(out / "a.half.txt", predicted())
    assert list(out.iterdir()) == []
    (out / "a.half.txt").write_text("earlier")
    with pytest.raises(ComponentFailed, match="no ink"):
        writer.write(out / "a.half.txt", predicted())
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("a.half.txt", "earlier")]


def test_a_writer_that_writes_nothing_is_told(registry, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (writer,) = choose_writers(["mute"], {}, registry)
    with pytest.raises(InvalidPlugin, match=r"writer 'mute' from nnplug-words 1.0 did not write a.mute.txt"):
        writer.write(out / "a.mute.txt", predicted())
    assert list(out.iterdir()) == []


def test_nifti_is_written_for_pictures_too(registry, tmp_path):
    (writer,) = choose_writers(["nifti"], {}, registry)
    writer.write(tmp_path / "a.nii.gz", predicted())
    again = read_label(tmp_path / "a.nii.gz")
    assert np.array_equal(again.array, predicted().label_map.array)
    assert again.geometry == PLACE


@pytest.mark.parametrize("ending", ["txt", ".TXT", "", 3])
def test_the_ending_of_an_entry_is_checked(ending):
    with pytest.raises(InvalidPlugin, match="expected lower case with a dot"):
        WriterComponent("words", "a.b:C", "", ending=ending)
