"""The expected time of a training is measured by the trainer's own epochs on a made-up case."""

from __future__ import annotations

import tempfile

import msgspec
import pytest

from nnplug import Plugins
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.fingerprint import Fingerprint
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.profiling.duration import report
from nnplug.profiling.duration.measuring import Measured
from nnplug.profiling.duration.report import plans_durations
from nnplug.profiling.duration.stop_watch import StopWatch, TimeIsUp
from nnplug.registry.runtime import Runtime
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.trainer import PatchTrainer

STATISTICS = dict.fromkeys(("mean", "median", "std", "min", "max", "percentile_00_5", "percentile_99_5"), 1.0)
FINGERPRINT = {
    "spacings": [[1.0, 1.0, 1.0]] * 20,
    "shapes_after_crop": [[200, 200, 200]] * 20,
    "foreground_intensity_properties_per_channel": {"0": STATISTICS, "1": STATISTICS},
    "median_relative_size_after_cropping": 1.0,
}
DESCRIPTION = DatasetDescription.from_data(
    {
        "channel_names": {"0": "CT", "1": "MRI"},
        "labels": {"background": 0, "a": 1, "b": 2, "ignore": 3},
        "numTraining": 20,
        "file_ending": ".mha",
    },
    "dataset.json",
)
VOLUMES = ("3d_fullres", "3d_lowres", "3d_cascade_fullres")
TRAINER = {"epochs": 100, "iterations_per_epoch": 20, "val_iterations_per_epoch": 4}


@pytest.fixture
def plans():
    """Plans with small networks; batches of 2 x 32^3 in 3D."""
    options = {
        "planner": {"memory_gb": 0.3, "base_features": 4, "max_features": 8},
        "plan": {"patch_size": [32, 32, 32], "batch_size": 2},
        "trainer": TRAINER,
    }
    request = PlanRequest(options=options, configurations=VOLUMES)
    fingerprint = Fingerprint.from_data(FINGERPRINT, "fingerprint.json")
    return make_plans(fingerprint, DESCRIPTION, request, dataset="Dataset001_A", plugins=Plugins())


@pytest.fixture
def counted(monkeypatch):
    """The calls of `iteration_seconds`: a microsecond per voxel of a training batch, and half of it to validate."""
    calls = []

    def seconds(training, iterations, validation_iterations, ends):
        calls.append((training.voxels, iterations, validation_iterations))
        return Measured(1e-6 * training.voxels * (1 + validation_iterations / iterations / 2))

    monkeypatch.setattr(report, "iteration_seconds", seconds)
    return calls


def durations(plans, *names, **arguments):
    runtime = Runtime(Plugins(), device="cpu", workers=1)
    return plans_durations(plans, DESCRIPTION, runtime, folds=dict.fromkeys(names, 5), **arguments)


def test_a_cascade_is_measured_too_and_leaves_nothing(plans, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(report, "_FEW", 1)
    monkeypatch.setattr(report, "_MANY", 1)
    (found,) = durations(plans, "3d_cascade_fullres", budget=1000)
    assert (found.unknown, found.is_scaled, found.is_complete, found.iterations) == ("", False, True, 2000)
    assert 0 < found.seconds_per_iteration < 10
    assert found.fold_seconds == 2000 * found.seconds_per_iteration
    assert found.seconds == 5 * found.fold_seconds
    assert found.data()["patch_size"] == [32, 32, 32]
    assert not list(tmp_path.glob("nnplug-*"))


def test_a_measurement_ends_when_its_time_is_up(plans, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(report, "_FEW", 1000)
    (found,) = durations(plans, "3d_fullres", budget=0)
    assert (found.unknown, found.is_scaled, found.is_complete) == ("", False, False)
    assert 0 < found.seconds_per_iteration < 10
    assert not list(tmp_path.glob("nnplug-*"))


def test_a_stop_watch_counts_iterations_of_steps_after_the_first():
    watch = StopWatch(ends=0)
    with watch.task("train", 10) as advance:
        advance("")
        advance("")
        with pytest.raises(TimeIsUp):
            advance("")
    assert watch.is_stopped
    watch._times = [0.0, 10.0, 12.0, 14.0]
    assert watch.seconds(iterations=20) == 1.0


def test_the_share_of_the_validation_is_that_of_the_training(plans, counted):
    (found,) = durations(plans, "3d_fullres", budget=1000)
    assert counted == [(2 * 32**3, 5, 1), (2 * 32**3, 25, 5)]
    assert found.seconds_per_iteration == pytest.approx(1e-6 * 2 * 32**3 * 1.1)
    assert dict(found.shorter) == {"epochs": 10}


def test_what_takes_too_long_is_measured_smaller_and_scaled(plans, counted, monkeypatch):
    monkeypatch.setattr(report, "_PILOT", 32**3)
    (found,) = durations(plans, "3d_fullres", budget=0)
    assert (found.is_scaled, found.batch_size, counted) == (True, 1, [(32**3, 5, 1)])
    assert found.seconds_per_iteration == pytest.approx(1e-6 * 2 * 32**3 * 1.1)


def test_a_patch_is_halved_as_far_as_the_network_allows(plans, counted, monkeypatch):
    monkeypatch.setattr(report, "_PILOT", 40000)
    small = plans.configuration("3d_fullres")
    large = msgspec.structs.replace(small, patch_size=(64, 64, 32))
    plans = msgspec.structs.replace(plans, configurations={"3d_fullres": large})
    (found,) = durations(plans, "3d_fullres", budget=0)
    assert (found.patch_size, found.batch_size) == ((32, 32, 32), 1)
    assert found.seconds_per_iteration == pytest.approx(1e-6 * 2 * 64 * 64 * 32 * 1.1)
    monkeypatch.setattr(report, "_PILOT", 1000)
    (found,) = durations(plans, "3d_fullres", budget=0)
    assert found.patch_size == (16, 16, 32), "the network takes no smaller one"


def test_short_trainings_are_not_measured(plans, counted):
    (found,) = durations(plans, "3d_lowres", shortest=2001)
    assert (found.iterations, found.seconds, found.unknown, counted) == (2000, None, "", [])


def test_a_failing_trainer_costs_a_reason(plans, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(report, "iteration_seconds", fail)
    found = durations(plans, "3d_fullres", "3d_lowres")
    assert [(one.unknown, one.seconds) for one in found] == [("RuntimeError: no room", None)] * 2


def test_the_batches_of_each_epoch_count(plans, counted, monkeypatch):
    def half_as_long_at_half_the_size(_, task, epoch):
        patch = task.configuration.patch_size
        return BatchSettings((patch[0] // 2, *patch[1:]) if epoch < 50 else patch, 2)

    monkeypatch.setattr(PatchTrainer, "batch_settings", half_as_long_at_half_the_size)
    (found,) = durations(plans, "3d_fullres", budget=1000)
    assert (found.is_scaled, found.patch_size) == (True, (32, 32, 32))
    assert found.seconds_per_iteration == pytest.approx(1e-6 * 2 * 32**3 * (0.75 + 0.1))
