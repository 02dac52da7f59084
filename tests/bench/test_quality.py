"""The row `quality`: held-out cases, points, curves and their times, scaling, and what a stopped call has left."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data():
    from quality.datasets import Data

    return Data("tiny", "Dataset900_Tiny", "2d", validation=("b",), test=("c", "d"), iterations=200)


@pytest.fixture
def source(tmp_path):
    """A dataset of five cases with two channels, in nnU-Net's raw layout."""
    folder = tmp_path / "Dataset900_Tiny"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for name in "abcde":
        (folder / "labelsTr" / f"{name}.png").write_text(name)
        for channel in range(2):
            (folder / "imagesTr" / f"{name}_{channel:04d}.png").write_text(name)
    (folder / "dataset.json").write_text(json.dumps({"file_ending": ".png", "numTraining": 5}))
    return folder


def training(data, recipe="default", iterations=200, seed=0, **fields):
    from quality.recipes import RECIPES
    from quality.trainings import Training

    return Training(data, RECIPES[recipe], iterations, seed, **fields)


def trained(data, dice=(0.5, 0.8), *, part="test", seed=0, recipe="default", iterations=200, **fields):
    """A record with two points, each of whose two cases has that Dice plus and minus 0.1."""
    from quality.records import Scores, Trained

    points = (iterations // 2, iterations)
    scores = {str(p): Scores(mean=d, cases={"c": d - 0.1, "d": d + 0.1}) for p, d in zip(points, dice, strict=True)}
    record = Trained(
        dataset=data.name,
        recipe=recipe,
        iterations=iterations,
        seed=seed,
        device="cpu",
        words=(),
        points=points,
        epochs=(),
        machine="here",
        date="2026-01-02T03:04:05+00:00",
        versions={},
        scores={part: scores},
    )
    return replace_record(record, **fields)


def replace_record(record, **fields):
    import msgspec

    return msgspec.structs.replace(record, **fields)


def paces(title, seconds, yard, key="tiny/default/cpu", date="2026-01-02"):
    from harness.results import MachineFacts
    from quality.records import Pace, Paces

    machine = MachineFacts(processor=title, cores=2, memory_gb=None, gpu=None, system="Linux")
    pace = Pace(seconds=seconds, yard=(yard, yard), others=0.0, date=date, versions={})
    return Paces(machine=machine, paces={key: pace} if key else {})


def test_no_held_out_case_is_trained_on():
    from quality.datasets import DATASETS, splits

    for data in DATASETS:
        names = [*data.validation, *data.test, "another"]
        assert len(set(names)) == len(names)
        assert splits(data, names) == [{"train": ["another"], "val": list(data.validation)}]


def test_held_out_cases_are_those_of_the_datasets(shared):
    from quality.datasets import DATASETS

    for data in DATASETS:
        there = {path.name.split(".")[0] for path in (shared / "data" / data.folder / "labelsTr").iterdir()}
        held = {*data.validation, *data.test}
        assert held <= there
        assert len(there - held) >= len(held)  # most cases are trained on


def test_a_dataset_is_given_without_its_test_cases(data, source, tmp_path):
    from quality.datasets import prepare

    prepared = prepare(data, source, tmp_path / "scratch")
    assert {path.name[0] for path in (prepared.raw / "imagesTr").iterdir()} == {"a", "b", "e"}
    assert {path.name for path in (prepared.raw / "labelsTr").iterdir()} == {"a.png", "b.png", "e.png"}
    assert {path.name for path in prepared.images("test").iterdir()} == {
        *("c_0000.png", "c_0001.png", "d_0000.png", "d_0001.png")
    }
    assert (prepared.labels("validation") / "b.png").read_text() == "b"
    assert json.loads((prepared.raw / "splits_final.json").read_text()) == [{"train": ["a", "e"], "val": ["b"]}]
    assert json.loads((prepared.raw / "dataset.json").read_text())["numTraining"] == 3
    assert prepare(data, source, tmp_path / "scratch") == prepared


def test_points_are_eighths_and_end_with_the_last_iteration(data):
    assert training(data, iterations=1200).points == tuple(range(150, 1201, 150))
    assert training(data, iterations=1200).epochs == 48
    short = training(data, iterations=120)
    assert (short.per_epoch, short.val_per_epoch, short.epochs) == (15, 3, 8)
    assert short.points == tuple(range(15, 121, 15))
    assert training(data, iterations=10).points == (5, 10)
    with pytest.raises(ValueError, match="12 iterations; expected a multiple of 5"):
        training(data, iterations=12)


def test_a_start_is_looked_at_often_and_keeps_no_weights(data):
    start = training(data, iterations=1200, until=400)
    assert (start.per_epoch, start.val_per_epoch, start.epochs, start.points) == (5, 5, 240, ())
    assert start.name == "tiny/start-default-1200-seed0"
    assert training(data, device="cuda", seed=2).name == "tiny/default-200-seed2-cuda"


def test_the_median_of_curves_has_the_places_that_all_have():
    from quality.figures import middle

    curves = [[(1, 0.1), (2, 0.5)], [(1, 0.3), (2, 0.7)], [(1, 0.2), (2, 0.4), (3, 0.9)]]
    assert middle(curves) == [(1, 0.2), (2, 0.5)]
    assert middle([]) == []


def test_the_time_to_a_dice_lies_on_the_line_between_two_points():
    from quality.figures import reach

    curve = [(10, 0.4), (20, 0.3), (30, 0.7)]
    assert reach(curve, 0.5) == pytest.approx(25)
    assert reach(curve, 0.7) == 30
    assert reach(curve, 0.1) == 10  # before the first point nothing is known
    assert reach(curve, 0.71) is None


def test_iterations_of_different_cost_are_added_up():
    from quality.figures import Speed, timed

    even, uneven = Speed((2.0,)), Speed((1.0, 3.0))
    assert timed([(50, 0.1), (100, 0.2)], even, 100) == [(100, 0.1), (200, 0.2)]
    assert [uneven.at(iteration, 100) for iteration in (25, 50, 75, 100)] == [25, 50, 125, 200]


def test_the_pace_of_another_machine_is_scaled_and_says_so():
    from quality.figures import speed

    machines = {
        "mine": paces("mine", (9.0,), 3.0, key="tiny/other/cpu"),
        "yours": paces("yours", (1.0, 2.0), 2.0, date="2026-01-03"),
        "older": paces("older", (7.0,), 1.0),
    }
    own = speed(machines, "mine", "tiny", "other", "cpu")
    assert (own.seconds, own.scaled) == ((9.0,), None)
    scaled = speed(machines, "mine", "tiny", "default", "cpu")
    assert (scaled.seconds, scaled.scaled) == ((1.5, 3.0), "yours")
    assert speed(machines, "mine", "tiny", "default", "cuda") is None
    assert speed(machines, "nobody", "tiny", "default", "cpu") is None


def test_the_pace_is_that_of_epochs_that_are_warm():
    from harness.session import Died
    from quality.pace import by_part, steady
    from quality.records import Epoch

    epochs = [Epoch(iteration=5 * k, dice=(), seconds=seconds) for k, seconds in enumerate((50, 10, 5, 20), 1)]
    assert steady(epochs, 5) == 2
    assert by_part(epochs, 5, 2) == (6, 2.5)
    with pytest.raises(Died, match="1 epochs were trained; expected at least 2"):
        steady(epochs[:1], 5)
    with pytest.raises(Died, match="4 epochs were trained; expected at least 5"):
        by_part(epochs, 5, 5)


def test_a_class_is_found_when_all_are():
    from quality.figures import found_at
    from quality.records import Epoch

    epochs = [
        Epoch(iteration=5, dice=(0.9, 0.0), seconds=1),
        Epoch(iteration=10, dice=(None, None), seconds=1),
        Epoch(iteration=15, dice=(0.9, 0.06), seconds=1),
    ]
    assert found_at(epochs, 0.05) == 15
    assert found_at(epochs[:2], 0.05) is None


def test_an_interval_holds_the_mean_and_is_the_same_each_time():
    from quality.figures import interval

    low, high = interval([0.01, 0.02, 0.03])
    assert 0.01 <= low < 0.02 < high <= 0.03
    assert interval([0.01, 0.02, 0.03]) == (low, high)
    with pytest.raises(ValueError, match="no differences"):
        interval([])


def test_scores_are_means_over_classes_of_means_over_cases():
    from quality.score import scores_of

    cases = [
        {"reference_file": "/x/a.nii.gz", "metrics": {"1": {"Dice": 0.5}, "2": {"Dice": 0.7}}},
        {"reference_file": "/x/b.nii.gz", "metrics": {"1": {"Dice": None}, "2": {"Dice": 0.9}}},
    ]
    scores = scores_of({"metric_per_case": cases, "foreground_mean": {"Dice": 0.65}})
    assert (scores.mean, scores.cases) == (0.65, {"a": 0.6, "b": 0.9})


class Side:
    """A side that trains two epochs a call, or until it has all, and predicts nothing."""

    def __init__(self, per_call=2):
        self.per_call, self.done, self.kept = per_call, 0, set()

    def train(self, training, prepared, place, limit):
        self.done = min(training.epochs, self.done + self.per_call)
        self.kept |= {point for point in training.points if point <= self.done * training.per_epoch}

    def epochs(self, training, place):
        from quality.records import Epoch

        every = [Epoch(iteration=(k + 1) * training.per_epoch, dice=(k / 100,), seconds=1) for k in range(self.done)]
        return tuple(every)

    def is_kept(self, place, point):
        return point in self.kept


@pytest.fixture
def bench_of(data, source, tmp_path, monkeypatch):
    """`bench_of(side)` gives a bench whose trainings are those of a fake side; a score is its point as a share."""
    from quality import work
    from quality.records import Scores, Store

    def make(side):
        monkeypatch.setattr(work, "side_of", lambda training: side)
        monkeypatch.setattr(
            work, "score", lambda t, prepared, place, point, part: Scores(mean=point / 1000, cases={"c": point / 1000})
        )
        return work.Bench(Store(tmp_path / "kept"), tmp_path / "scratch", tmp_path, None, "here", {}, lambda line: None)

    return make


def test_a_stopped_training_goes_on_and_is_kept_when_it_has_ended(data, bench_of):
    from quality.work import Wanted, do, left

    bench, wanted = bench_of(Side(per_call=6)), Wanted(training(data), ("validation",))
    assert left([wanted], bench.store) == [wanted]
    assert not do(wanted, bench)
    assert bench.store.find(wanted.training) is None
    assert do(wanted, bench)
    record = bench.store.find(wanted.training)
    assert (len(record.epochs), record.machine, record.curve("validation")[-1]) == (8, "here", (200, 0.2))
    assert left([wanted], bench.store) == []
    both = Wanted(wanted.training, ("validation", "test"))
    assert left([both], bench.store) == [both]


def test_scores_that_are_there_are_not_made_again(data, bench_of, monkeypatch):
    from quality import work

    bench, wanted = bench_of(Side(per_call=8)), work.Wanted(training(data), ("test",))
    assert work.do(wanted, bench)
    record = bench.store.find(wanted.training)
    kept = {point: score for point, score in record.scores["test"].items() if point != "200"}
    bench.store.keep(wanted.training, replace_record(record, scores={"test": kept}))
    scored, give = [], work.score
    monkeypatch.setattr(
        work, "score", lambda t, p, place, point, part: scored.append(point) or give(t, p, place, point, part)
    )
    assert work.do(wanted, bench)
    assert scored == [200]
    assert bench.store.find(wanted.training) == record


def test_weights_that_are_gone_are_trained_again(data, bench_of):
    from quality.work import Wanted, do

    bench = bench_of(Side(per_call=8))
    assert do(Wanted(training(data), ("validation",)), bench)
    bench = bench_of(fresh := Side(per_call=8))
    assert do(Wanted(training(data), ("validation",)), bench)
    assert fresh.done == 0  # nothing is missing
    assert do(Wanted(training(data), ("validation", "test")), bench)
    assert fresh.done == 8
    assert set(bench.store.find(training(data)).scores) == {"validation", "test"}


def test_nothing_is_begun_after_the_deadline(data, bench_of):
    from quality.work import Wanted, do

    bench = bench_of(side := Side())
    assert not do(Wanted(training(data)), bench, deadline=0.0)
    assert side.done == 0


def test_a_start_ends_when_every_class_is_found(data, bench_of):
    from quality.work import Wanted, do

    bench, start = bench_of(Side(per_call=3)), Wanted(training(data, until=100))
    assert not do(start, bench)
    assert not do(start, bench)
    assert do(start, bench)
    assert bench.store.find(start.training).epochs[-1].dice[0] > 0.05


def test_the_page_has_dice_times_and_the_ratio(data):
    from quality.tables import page

    ours = [trained(data, (0.5, 0.8 + seed / 100), seed=seed) for seed in range(3)]
    theirs = [trained(data, (0.4, 0.61), recipe="nnunetv2", iterations=400)]
    machines = {"mine": paces("mine", (1.0,), 2.0), "yours": paces("yours", (3.0,), 4.0, key="tiny/nnunetv2/cpu")}
    text = page([*ours, *theirs], machines, "mine")
    assert "| tiny | nnunetv2 | 400 | 1 | 0.6100 | 10.0* |  |  |" in text  # 400 iterations of 3 x 2 / 4 s
    assert (
        "| tiny | default | 200 | 3 | 0.8100 (0.8000 to 0.8200) | 3.3 | 0.226 | +0.2000 (+0.2000 to +0.2000) |" in text
    )
    assert "Times are those of mine. Those with * are scaled from yours" in text


def test_the_page_says_what_is_not_there(data):
    from quality.tables import NOTHING, page

    assert page([], {}, None).count(NOTHING) == 5
    lower = page([trained(data), trained(data, (0.5, 0.9), recipe="nnunetv2")], {}, None)
    assert "not measured yet | not reached |" in lower
    assert "nnunetv2 not measured yet" in page([trained(data)], {}, None)
    assert "time not measured yet" in page([trained(data), trained(data, (0.5, 0.7), recipe="nnunetv2")], {}, None)


def test_levers_are_beside_the_default_at_equal_compute(data):
    from quality.recipes import LEVERS, OURS
    from quality.tables import ablation

    base = trained(data, part="validation")
    better = trained(data, (0.5, 0.85), part="validation", recipe="cosine")
    half = trained(data, (0.5, 0.7), part="validation", recipe="batch-4", iterations=100)
    other = trained(data, (0.5, 0.9), part="validation", recipe="adamw", iterations=100)
    lines = ablation([base, half, better, other], {}, None, OURS, LEVERS).splitlines()[2:]
    assert [line.split(" | ")[1:3] for line in lines] == [["default", "200"], ["cosine", "200"], ["batch-4", "100"]]
    assert lines[1].endswith("| 0.8500 | not measured yet | +0.0500 (+0.0500 to +0.0500) |")


def test_a_change_is_compared_on_the_seeds_that_both_have_and_may_have_the_pace_of_another_recipe(data):
    from quality.recipes import CHANGED, FAST
    from quality.tables import ablation

    base = [trained(data, (0.5, dice), part="validation", recipe="fast", seed=k) for k, dice in enumerate((0.8, 0.6))]
    rate = trained(data, (0.5, 0.81), part="validation", recipe="fast-rate-0.01")
    machines = {"mine": paces("mine", (3.0,), 4.0, key="tiny/fast/cpu")}
    lines = ablation([*base, rate], machines, "mine", FAST, CHANGED).splitlines()[2:]
    assert lines[1].endswith("| 1 | 0.8100 | 10.0 | +0.0100 (+0.0100 to +0.0100) |")


def test_starts_are_counted_with_those_that_came_too_late(data):
    from quality.records import Epoch
    from quality.tables import starts

    def start(seed, *dice):
        epochs = tuple(Epoch(iteration=5 * k, dice=(d,), seconds=1) for k, d in enumerate(dice, 1))
        return trained(data, seed=seed, points=(), scores={}, epochs=epochs)

    assert "| tiny | default | 200 | 2 | 8 (5 to 10) | 5 |" in starts([start(0, 0.1), start(1, 0.0, 0.1)])
    assert "| tiny | default | 200 | 2 | 5, 1 later than 400 | 0 |" in starts([start(0, 0.1), start(1, 0.0)])


def test_a_figure_of_the_row_is_that_of_the_first_length_to_arrive(data):
    from harness.row import Unmeasurable
    from harness.serve import load_row
    from quality.compare import compare_all

    machines = {"mine": paces("mine", (1.0,), 2.0)}
    records = [trained(data), trained(data, (0.7, 0.75), iterations=100), trained(data, (0.3, 0.7), recipe="nnunetv2")]
    found = [one for one in compare_all(records, machines, "mine", "test") if one.group.recipe == "default"]
    row = module_of("quality")
    told = row.sample(found, "tiny default")
    assert told == {"dice": 0.8, "reach_seconds": 50.0, "curve": [[50.0, 0.7], [100.0, 0.75]]}
    with pytest.raises(Unmeasurable, match="no training of tiny default is scored"):
        row.sample([], "tiny default")
    with pytest.raises(Unmeasurable, match="the pace of tiny default is not measured"):
        row.sample([replace(one, seconds=None) for one in found], "tiny default")
    assert load_row(row.__file__).recorded


def module_of(name):
    return _module(ROOT / "bench" / "rows" / f"{name}.py")


def module_of_bench(name):
    return _module(ROOT / "bench" / f"{name}.py")


def _module(file):
    spec = importlib.util.spec_from_file_location(f"test_of_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_lever_has_options_that_exist():
    from quality.recipes import CHANGED, FOUND, LEVERS, RECIPES

    from nnplug import Kind, Plugins
    from nnplug.plans.overrides import parse

    registry = Plugins().registry
    for recipe in (*LEVERS, *FOUND, *CHANGED):
        assert RECIPES[recipe.name] == recipe
        trainer = [word.removeprefix("--set=") for word in recipe.words if word.startswith("--set=trainer.")]
        named = [word.partition("=")[2] for word in recipe.words if word.startswith(("--trainer=", "--recipe="))]
        registry.create(Kind.TRAINER, *(named or ["nnunet"]), parse(trainer).get("trainer", {}))
        assert all(word.startswith(("--set=", "--trainer=")) or word == "--recipe=fast" for word in recipe.words)
    for some in (LEVERS, CHANGED):
        assert len({recipe.name for recipe in some}) == len(some)


def test_choices_are_made_without_test_cases():
    from quality.wanted import ablation, changes, comparison, final, recipes, starts

    assert {one.parts for one in comparison()} == {("validation", "test")}
    assert {one.parts for one in (*ablation(), *changes(), *recipes())} == {("validation",)}
    assert [one.training for one in final()] == [one.training for one in recipes()]
    assert {one.parts for one in final()} == {("validation", "test")}
    assert {one.parts for one in starts()} == {()}
    for listed in (comparison(), recipes(), ablation(), changes(), starts()):
        names = [one.training.name for one in listed]
        assert len(set(names)) == len(names)


def test_the_page_is_that_of_the_records():
    runner = module_of_bench("quality_run")
    page = (ROOT / "docs" / "fast-measured.md").read_text()
    from quality.records import Store

    made = runner.measured_page(Store(ROOT / "bench" / "results" / "quality"))
    assert page == made, "run: bench/quality_run.py tables"


@pytest.mark.slow
def test_a_side_is_rehearsed_from_the_dataset_to_the_score(tmp_path):
    from harness.phantoms import phantom
    from harness.row import Setting
    from quality.datasets import Data
    from quality.recipes import Recipe

    folder = tmp_path / "shared" / "data" / "Dataset901_Box"
    phantom(folder, shape=(16, 16, 16), channels=1, classes=3, cases=5)
    data = Data("box", folder.name, "3d_fullres", ("case_001",), ("case_002",), iterations=10, batch=2)
    recipe = Recipe("small", "ours", ("--set=planner.base_features=4",))
    setting = Setting(quick=True, peer=None, shared=tmp_path / "shared", scratch=tmp_path / "scratch")
    told = module_of("quality").rehearse(setting, replace(training(data, iterations=10), recipe=recipe))
    assert told["reach_seconds"] > 0
    assert 0 <= told["dice"] <= 1
    place = tmp_path / "scratch" / "box" / "small-10-seed0"
    assert {path.name for path in (place / "points").iterdir()} == {"5", "10"}
    assert json.loads((place / "points" / "10" / "fold_0" / "run.json").read_text())["validation"] == ["case_001"]
