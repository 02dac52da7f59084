import json

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main


def write(path, dices):
    cases = [
        {"metrics": {"1": {"Dice": dice}}, "prediction_file": f"p/{i}.png", "reference_file": f"r/{i}.png"}
        for i, dice in enumerate(dices)
    ]
    path.write_text(json.dumps({"metric_per_case": cases}))
    return str(path)


@pytest.fixture
def two(tmp_path):
    return write(tmp_path / "worse.json", [0.5, 0.6, 0.9]), write(tmp_path / "better.json", [0.6, 0.7, 0.8])


def rank(*words):
    return CliRunner().invoke(main, ["rank", *words])


def test_the_best_comes_first(two):
    result = rank(*two)
    assert result.exit_code == 0
    header, first, second, best = result.stdout.splitlines()
    assert header.split() == ["place", "submission", "mean", "rank", "95%", "interval"]
    assert first.split()[:3] == ["1", two[1], "1.333"]
    assert second.split()[:3] == ["2", two[0], "1.667"]
    assert best == f"best: {two[1]}"


def test_all_that_share_the_best_rank_are_named(tmp_path):
    names = [write(tmp_path / f"{name}.json", [0.5, 0.6]) for name in "ab"]
    assert rank(*names).stdout.splitlines()[-2:] == [f"best: {name}" for name in names]


def test_json_has_all_digits(two):
    (first, second) = json.loads(rank(*two, "--json").stdout)
    assert first["mean_rank"] == pytest.approx(4 / 3)
    assert len(second["interval"]) == 2


def test_intervals_are_those_of_the_asked_draws(two):
    def intervals(*words):
        result = rank(*two, "--json", *words)
        assert result.exit_code == 0, result.output
        return [entry["interval"] for entry in json.loads(result.stdout)]

    wide, narrow = intervals("--level", "0.95"), intervals("--level", "0.1")
    assert all(w[0] <= n[0] <= n[1] <= w[1] for w, n in zip(wide, narrow, strict=True))
    assert wide != narrow
    assert "10% interval" in " ".join(rank(*two, "--level", "0.1").stdout.splitlines()[0].split())
    assert all(low == high for low, high in intervals("--samples", "1")), "one draw has no width"
    assert intervals("--samples", "1", "--seed", "3") == intervals("--samples", "1", "--seed", "3")
    draws = {tuple(map(tuple, intervals("--samples", "1", "--seed", str(seed)))) for seed in range(8)}
    assert len(draws) > 1


def test_a_summary_of_other_metrics_is_refused(two):
    result = rank(*two, "--metrics", "surface")
    assert result.exit_code == 1
    assert "has no HD95 and NSD of 1 in 0.png" in result.stderr.splitlines()[0]
