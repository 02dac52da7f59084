"""The fingerprint in a file: numbers that no image has are named with the file."""

import json

import pytest

from nnplug.errors import InvalidFile
from nnplug.plans.fingerprint import Fingerprint

STATS = dict.fromkeys(("mean", "median", "std", "min", "max", "percentile_00_5", "percentile_99_5"), 1.0)
CONTENT = {
    "spacings": [[1.0, 1.0, 2.0]],
    "shapes_after_crop": [[4, 5, 6]],
    "foreground_intensity_properties_per_channel": {"0": STATS},
    "median_relative_size_after_cropping": 1.0,
}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"spacings": [[1.0, -1.0, 2.0]]}, r"'spacings' hold \[1.0, -1.0, 2.0\]; every number must be above 0"),
        ({"spacings": [[1.0, float("nan"), 2.0]]}, "'spacings' hold"),
        ({"shapes_after_crop": [[0, 5, 6]]}, r"'shapes_after_crop' hold \[0, 5, 6\]"),
        ({"spacings": []}, "has 0 spacings and 1 shapes"),
    ],
)
def test_numbers_that_no_image_has_are_named(changed, words, tmp_path):
    file = tmp_path / "fingerprint.json"
    file.write_text(json.dumps(CONTENT))
    assert Fingerprint.read(file).spacings == ((1.0, 1.0, 2.0),)
    file.write_text(json.dumps({**CONTENT, **changed}))
    with pytest.raises(InvalidFile, match=rf"fingerprint\.json: {words}"):
        Fingerprint.read(file)
