from __future__ import annotations

import numpy as np
import SimpleITK
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main


def test_pictures_are_drawn_and_counted(tmp_path):
    folder = write_phantom(tmp_path / "Dataset900_P", cases=2, unseen=0, shape=(8, 10, 8)).folder
    words = ["overlay", "-i", folder / "imagesTr", "-l", folder / "labelsTr", "-o", tmp_path / "out"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0
    assert result.stdout == f"2 pictures: {tmp_path / 'out'}\n"
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["phantom_000.png", "phantom_001.png"]


def test_the_named_channel_is_shown(tmp_path):
    folder = write_phantom(tmp_path / "Dataset900_P", cases=1, unseen=0, shape=(8, 10, 8)).folder

    def drawn(channel):
        words = ["overlay", "-i", folder / "imagesTr", "-l", folder / "labelsTr", "-o", tmp_path / f"out{channel}"]
        words += ["--channel", channel, "--workers", 1]
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"out{channel}" / "phantom_000.png")))

    label = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "labelsTr" / "phantom_000.nii.gz")))
    z = np.argmax((label > 0).sum(axis=(1, 2)))
    for channel in (0, 1):
        file = folder / "imagesTr" / f"phantom_000_{channel:04d}.nii.gz"
        plane = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))[z]
        low, high = np.percentile(plane, (0.5, 99.5))
        expected = np.round(255 * np.clip((plane - low) / (high - low), 0, 1))
        plain = drawn(channel)[:, : plane.shape[1]]
        assert np.ptp(plain) > 100
        np.testing.assert_allclose(plain, np.repeat(expected[..., None], 3, axis=2), atol=1)
