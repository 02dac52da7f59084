"""The runs of a configuration's folder."""

from __future__ import annotations

from nnplug.workspace.layout import run_folders


def test_begun_runs_come_by_number_and_all_last(tmp_path):
    for name in ("fold_10", "fold_2", "fold_all", "fold_0", "other"):
        (tmp_path / name).mkdir()
        if name != "fold_0":  # made, and not begun
            (tmp_path / name / "run.json").write_text("{}")
    assert [run.path.name for run in run_folders(tmp_path)] == ["fold_2", "fold_10", "fold_all"]
    assert run_folders(tmp_path / "absent") == []
