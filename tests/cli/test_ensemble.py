import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.images import Geometry, write_label
from nnplug_cli.main import main

GEOMETRY = Geometry((2, 3, 4), (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
DATASET = {"channel_names": {"0": "x"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"}


@pytest.fixture
def folders(tmp_path):
    for name, a in (("A", 0.9), ("B", 0.3)):
        (tmp_path / name).mkdir()
        write_label(tmp_path / name / "x.nii.gz", np.zeros((2, 3, 4), np.uint8), GEOMETRY)
        probabilities = np.stack([np.full((2, 3, 4), 1 - a), np.full((2, 3, 4), a)]).astype(np.float32)
        np.savez_compressed(tmp_path / name / "x.npz", probabilities=probabilities)
    (tmp_path / "A" / "dataset.json").write_text(json.dumps(DATASET))
    return tmp_path / "A", tmp_path / "B"


@pytest.mark.parametrize("words", [("-i", 0, 1), ("-i", 0, "-i", 1)])
def test_folders_are_averaged(folders, tmp_path, words):
    given = [str(folders[word]) if isinstance(word, int) else word for word in words]
    result = CliRunner().invoke(main, ["ensemble", *given, "-o", str(tmp_path / "C"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"output": str(tmp_path / "C"), "cases": ["x"]}
    shown = CliRunner().invoke(main, ["ensemble", *given, "-o", str(tmp_path / "C")]).stdout.splitlines()
    following = f"next: nnplug evaluate -r REFERENCES -p {tmp_path / 'C'} -o SUMMARY.json"
    assert shown == [f"predictions: {tmp_path / 'C'}", following]
    from nnplug.io.images import read_label

    assert (read_label(tmp_path / "C" / "x.nii.gz").array == 1).all()


def test_the_mean_is_kept_with_the_labels_of_another_description(folders, tmp_path):
    description = folders[0].joinpath("dataset.json").rename(tmp_path / "other.json")
    words = ["ensemble", "-i", *folders, "-o", tmp_path / "C", "--dataset-json", description, "--workers", 1]
    result = CliRunner().invoke(main, [*map(str, words), "--save-probabilities"])
    assert result.exit_code == 0, result.output
    mean = np.load(tmp_path / "C" / "x.npz")["probabilities"]
    np.testing.assert_allclose(
        mean, np.broadcast_to(np.array([0.4, 0.6])[:, None, None, None], (2, 2, 3, 4)), atol=1e-3
    )
    assert json.loads((tmp_path / "C" / "dataset.json").read_text()) == DATASET


def test_a_case_without_probabilities_is_one_line(folders, tmp_path):
    (folders[1] / "x.npz").unlink()
    result = CliRunner().invoke(main, ["ensemble", "-i", *map(str, folders), "-o", str(tmp_path / "C")])
    assert result.exit_code == 1
    assert (
        result.stderr == f"error: {folders[1]}: x has neither x.npz nor x.logits.zip; predict it with --save-logits\n"
    )
