"""`nnplug doctor`."""

from __future__ import annotations

import json
from importlib.metadata import version

from click.testing import CliRunner

from nnplug_cli.main import main


def run(*arguments):
    result = CliRunner().invoke(main, ["doctor", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_line_per_part_and_nothing_written(tmp_path):
    lines = run("-w", tmp_path / "work").splitlines()
    words = [line.split(maxsplit=1)[0] for line in lines]
    assert [word for word in words if word != "limits:"] == [
        "software",
        "cores",
        "memory",
        "/dev/shm",
        "GPU",
        "bfloat16",
        "disk",
        "plugins",
    ]
    assert any(line.endswith(f"free at {tmp_path / 'work'}") for line in lines)
    assert not (tmp_path / "work").exists()


def test_json_has_findings_and_figures(tmp_path):
    data = json.loads(run("-w", tmp_path, "--json"))
    assert set(data) == {"findings", "machine", "distributions"}
    assert data["distributions"]["nnplug-core"] == version("nnplug-core")
    assert data["machine"]["disk"]["free"] > 0
