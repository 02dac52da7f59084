"""docs/benchmarks.md: what it says of figures, of their absence, and that it is what the runner makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runner():
    spec = importlib.util.spec_from_file_location("bench_run", ROOT / "bench" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(tiny):
    """A machine on which the tiny row took 1 s against 4 s."""
    from harness.measure import Result
    from harness.results import MachineFacts, Measured, Results

    machine = MachineFacts(processor="EPYC", cores=2, memory_gb=24, gpu=None, system="Linux 6")

    def make(**fields):
        sides = {"nnplug": ({"seconds": 1.0},), "peer": ({"seconds": 4.0},)}
        result = Result(date="2026-01-02T03:04:05+00:00", **{**sides, **fields})
        measured = Measured(result=result, versions={"nnplug": "0.1"}, peer_versions={"nnunetv2": "2.8.1"})
        return Results(machine=machine).with_result("tiny", "small", measured)

    return make


def text_of(tiny, results):
    from harness.page import page

    _, row = tiny("ours", "ours")
    return page({"tiny": row}, [results], {"benchmarks/x.png": "a picture"})


def test_figures_goal_machine_versions_and_date(tiny, results):
    text = text_of(tiny, results())
    assert "| small | wall time | 1 s | 4 s | 0.25 | wall time at most 5 s | yes | 2026-01-02 |" in text
    assert "## EPYC, 2 cores, 24 GB, no GPU" in text
    assert "Linux 6. nnplug: nnplug 0.1. Peers: nnunetv2 2.8.1." in text
    assert "![a picture](benchmarks/x.png)" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unmeasured": "needs a CUDA GPU"}, "not measured yet: needs a CUDA GPU"),
        ({"others": 0.4}, "not measured yet: the machine was busy with other work (40% of its cores)"),
        ({"peer": (), "peer_absent": "it died"}, "| 1 s | nnunetv2 did not run: it died |"),
        ({"nnplug": ({"seconds": 6.0},)}, "**no**"),
    ],
)
def test_what_does_not_count_is_said(tiny, results, fields, words):
    assert words in text_of(tiny, results(**fields))


def test_rows_of_which_nothing_ran_on_a_machine_are_named(tiny, results):
    from harness.page import page

    _, row = tiny("ours", "ours")
    text = page({"tiny": row, "other": row}, [results()], {})
    assert "Rows that were not measured on this machine yet: `other`." in text
    assert "(`other`" not in text
    assert "(`other`" in page({"tiny": row, "other": row}, [], {})


def test_results_come_back_from_their_file(results, tmp_path):
    from harness.results import load_all, load_here

    kept = results()
    path, empty = load_here(tmp_path, kept.machine)
    assert (path.name, empty.rows) == ("epyc-2-cores-24-gb-no-gpu.json", {})
    kept.write(path)
    assert load_here(tmp_path, kept.machine)[1] == kept
    assert list(load_all(tmp_path)) == [kept]


def test_pictures_of_ratios_and_curves(tiny, results, tmp_path):
    import dataclasses

    from harness.plots import draw, pictures
    from harness.row import Goal

    _, row = tiny("ours", "ours")
    goal = dataclasses.replace(row.cases[0], goals=(Goal("seconds", 0.5),))
    curve = {"seconds": 1.0, "curve": [[60, 0.5], [120, 0.8]]}
    wanted = pictures({"tiny": dataclasses.replace(row, cases=(goal,))}, [results(nnplug=(curve,))])
    (tmp_path / "of-another-machine.png").touch()
    draw(wanted, tmp_path)
    slug = "epyc-2-cores-24-gb-no-gpu.png"
    assert {path.name for path in tmp_path.glob("*.png")} == {f"ratios-{slug}", f"tiny-{slug}"}
    assert all(path.stat().st_size > 3000 for path in tmp_path.glob("*.png"))


def test_the_page_is_what_the_runner_makes_of_the_results(runner):
    from harness.page import page
    from harness.results import load_all

    every, machines = runner.rows(), list(load_all(ROOT / "bench" / "results"))
    links = runner.links(every, machines)
    written = (ROOT / "docs" / "benchmarks.md").read_text()
    assert written == page(every, machines, links), "run: python bench/run.py --page"
    assert {path.name for path in runner.PICTURES.glob("*.png")} == {Path(link).name for link in links}


def test_a_goal_that_is_missed_has_its_reason(tiny, results):
    import dataclasses

    from harness.page import page

    _, row = tiny("ours", "ours")
    slow = results(nnplug=({"seconds": 6.0},))
    why = dataclasses.replace(row, cases=(dataclasses.replace(row.cases[0], missed="It sleeps."),))
    assert "- **a tiny row, small**: 6 (wall time at most 5 s). It sleeps." in page({"tiny": why}, [slow], {})
    assert "Why is not known." in page({"tiny": row}, [slow], {})
    assert "Goals that are missed" not in page({"tiny": why}, [results()], {})


def test_what_was_rehearsed_is_said_where_there_is_no_figure(tiny, results):
    machine = results(unmeasured="needs a CUDA GPU").with_rehearsal("tiny", "small", "2026-01-03")
    assert "needs a CUDA GPU; the same code ran through on its CPU, small (2026-01-03)" in text_of(tiny, machine)
    assert "ran through" not in text_of(tiny, results().with_rehearsal("tiny", "small", "2026-01-03"))


def test_every_row_is_in_order_and_every_quantity_has_a_name(runner):
    from harness.page import UNITS

    every = runner.rows()
    assert {path.stem for path in (ROOT / "bench" / "rows").glob("*.py")} == set(every)
    goals = [goal for row in every.values() for case in row.cases for goal in case.goals]
    assert {goal.quantity for goal in goals} <= set(UNITS)
    names = [(name, case.name) for name, row in every.items() for case in row.cases]
    assert len(set(names)) == len(names)


def test_the_sides_take_what_their_cases_give(runner, tmp_path):
    import inspect

    from harness.row import Inside, Setting

    setting = Setting(quick=True, peer=None, shared=tmp_path, scratch=tmp_path, rehearse=True)
    for row in runner.rows().values():
        for case in row.cases:
            for side in filter(None, (row.ours, row.theirs if case.only is None else None)):
                given = [] if isinstance(side, Inside) else [setting]
                inspect.signature(side.prepare).bind(*given, **case.arguments(setting))


def test_an_unknown_row_is_a_line(runner, monkeypatch):
    monkeypatch.setattr("sys.argv", ["run.py", "stepp"])
    with pytest.raises(SystemExit, match="no row is called 'stepp'; rows are help, "):
        runner.main()


def test_cases_are_chosen_by_a_word(runner):
    every = runner.rows()
    chosen = runner._chosen(every, ["preprocess:brats", "preprocess:hippo", "step"])
    assert [case.name.split(",")[0] for case in chosen["preprocess"].cases] == ["Hippocampus", "BraTS2015"]
    assert chosen["step"] == every["step"]
    with pytest.raises(SystemExit, match="row 'step' has no case with 'tpu'; it has Hippocampus 3d_fullres, batch 9"):
        runner._chosen(every, ["step:tpu"])
