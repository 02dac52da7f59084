from __future__ import annotations

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
