"""`nnplug run` leaves report.html in the folder of the dataset."""

from __future__ import annotations

from nnplug.contracts import FinishedRun
from nnplug_report.reporter import HtmlReporter


def test_a_run_ends_with_its_report(workspace):
    text = (workspace / "report.html").read_text(encoding="utf-8")
    assert "Dataset999_Phantom: selection" in text
    assert "This report was made by this command" in text


def test_without_a_selection_the_trained_folds_are_reported(workspace, runtime):
    run = FinishedRun(workspace, "nnunet", (workspace / "runs/nnunet/2d/fold_0",))
    before = (workspace / "report.html").read_text(encoding="utf-8")
    try:
        assert HtmlReporter().report(run, runtime) == workspace / "report.html"
        assert "Dataset999_Phantom: 2d" in (workspace / "report.html").read_text(encoding="utf-8")
    finally:
        (workspace / "report.html").write_text(before, encoding="utf-8")
