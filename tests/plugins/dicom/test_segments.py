"""Codes of segments from dataset.json and from a table with TotalSegmentator's columns."""

from __future__ import annotations

import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile
from nnplug_dicom.segments import notices, segments_of

HEAD = (
    "Name,Category.CodingSchemeDesignator,Category.CodeValue,Category.CodeMeaning,Type.CodingSchemeDesignator,"
    "Type.CodeValue,Type.CodeMeaning,TypeModifier.CodingSchemeDesignator,TypeModifier.CodeValue,"
    "TypeModifier.CodeMeaning,AnatomicRegion.CodingSchemeDesignator,AnatomicRegion.CodeValue,"
    "AnatomicRegion.CodeMeaning,recommendedDisplayRGBValue"
)
TABLE = f"""{HEAD}
liver,SCT,123037004,Anatomical Structure,SCT,10200004,Liver,,,,,,,"[221, 130, 101]"
cyst,SCT,49755003,Morphologically Altered Structure,SCT,367643001,Cyst,,,,SCT,64033007,Kidney,
"""


def description(**segments):
    raw = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "cyst": 2}, "numTraining": 1}
    raw |= {"file_ending": ".nii.gz"} | ({"segments": segments} if segments else {})
    return DatasetDescription.from_data(raw, "test")


def test_without_codes_everything_is_tissue_with_a_notice():
    liver, cyst = segments_of(description(), None)
    assert (liver.number, liver.name, liver.values, cyst.number) == (1, "liver", (1,), 2)
    assert liver.category.meaning == liver.type.meaning == "Tissue"
    assert liver.colour != cyst.colour
    (line,) = notices((liver, cyst))
    assert line.startswith("liver, cyst: no code is known")


def test_codes_of_dataset_json_and_of_a_table_which_wins(tmp_path):
    (tmp_path / "codes.csv").write_text(TABLE)
    given = description(liver={"type": ["1", "99LAB", "Liver of our lab"], "color": [1, 2, 3]})
    liver, cyst = segments_of(given, None)
    assert (liver.type.meaning, liver.colour, cyst.codes) == ("Liver of our lab", (1, 2, 3), {})
    assert notices((liver, cyst))[0].startswith("cyst: no code is known")
    liver, cyst = segments_of(given, tmp_path / "codes.csv")
    assert (liver.type.value, liver.type.scheme_designator, liver.colour) == ("10200004", "SCT", (221, 130, 101))
    assert (cyst.category.value, cyst.codes["region"].meaning) == ("49755003", "Kidney")
    assert notices((liver, cyst)) == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"typ": ["1", "SCT", "Liver"]}, "expected {"),
        ({"type": ["1", "SCT"]}, "expected {"),
        ({"type": ["1", "SCT", ""]}, "expected {"),
        ({"color": [1, 2, 256]}, "expected a color as three numbers from 0 to 255"),
        ("liver", "expected {"),
    ],
)
def test_codes_that_are_none_are_refused(entry, message):
    with pytest.raises(InvalidFile) as caught:
        segments_of(description(liver=entry), None)
    assert f"'segments' has {entry!r} for 'liver'" in str(caught.value)
    assert message in str(caught.value)


def test_a_table_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidFile, match=r"a.csv: has no columns Name and Type.CodeValue"):
        segments_of(description(), tmp_path / "a.csv")
    with pytest.raises(InvalidFile, match=r"b.csv: cannot be read as a table of segments"):
        segments_of(description(), tmp_path / "b.csv")
    raw = {**description().raw, "segments": ["liver"]}
    with pytest.raises(InvalidFile, match="'segments' is .*; expected names of classes with codes"):
        segments_of(DatasetDescription.from_data(raw, "test"), None)
