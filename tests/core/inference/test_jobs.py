"""Images predicted as jobs: the same whatever runs them, and nothing lost that a killed job had finished."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from nnplug.errors import NnplugError, Problems
from nnplug.inference.jobs import predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.io.images import Geometry, read_label, write_label
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class PicklingExecutor(LocalExecutor):
    """Two workers, to which jobs come as to another process; each job is killed once when it has predicted a case."""

    slots = 2

    def map_on_device(self, function, items, *, stage, name, progress):
        self.titles = [name(item) for item in items]
        for item in items:
            first = pickle.loads(pickle.dumps(function))
            number, cases = item  # the core numbers what it gives to an executor
            with pytest.raises(KeyboardInterrupt):
                first((number, cases[:1]), Killer())
            yield pickle.loads(pickle.dumps(function))(item, progress)


class Killer(Silent):
    @contextmanager
    def task(self, title, total, *, done=0):
        def advance(latest):
            if title == "predict" and latest:
                raise KeyboardInterrupt

        yield advance


class Heard(Silent):
    def __init__(self):
        self.done = []

    @contextmanager
    def task(self, title, total, *, done=0):
        if title == "predict":
            self.done.append((done, total))
        yield lambda latest: None


@pytest.fixture
def images(write_image):
    random = np.random.default_rng(0)
    return [write_image(f"case_{k:02d}", random.normal(50, 20, (4, 9, 8)).astype(np.float32)) for k in range(10)]


@pytest.fixture
def runtime(plugins):
    return Runtime(plugins, LocalExecutor(1), "cpu")


@pytest.fixture
def prediction(bundle, tmp_path):
    """`prediction("out")` gives that folder and options of a model that is a zip."""
    model = bundle("model.zip", folds=2)

    def make(name, **options):
        return tmp_path / name, PredictOptions(models=(model,), mirroring=False, **options)

    return make


def test_jobs_of_a_cluster_predict_what_one_machine_does(prediction, images, runtime, tmp_path):
    predict_cases(images, *prediction("here"), runtime)
    cluster, heard = PicklingExecutor(), Heard()
    predict_cases(images, *prediction("there"), replace(runtime, executor=cluster, progress=heard))
    assert len(cluster.titles) == 8
    assert set(cluster.titles) == {"2 images", *(f"case_{k:02d}" for k in range(2, 8))}
    assert heard.done == [(1, 2), (1, 2), *[(1, 1)] * 6]  # what the killed job had finished is kept
    names = {file.name for file in (tmp_path / "here").iterdir()}
    assert names == {file.name for file in (tmp_path / "there").iterdir()}
    for case in images:
        ours, theirs = (read_label(tmp_path / f / f"{case.name}.nii.gz").array for f in ("here", "there"))
        np.testing.assert_array_equal(ours, theirs)


def test_only_a_call_that_resumes_keeps_what_is_there(prediction, images, runtime, tmp_path):
    predict_cases(images[:2], *prediction("out"), runtime)
    file = tmp_path / "out" / "case_00.nii.gz"
    written = file.stat().st_mtime_ns
    predict_cases(images[:3], *prediction("out", resume=True), runtime)
    assert file.stat().st_mtime_ns == written
    predict_cases(images[:1], *prediction("out"), runtime)
    assert file.stat().st_mtime_ns > written


def test_what_is_wrong_with_model_or_images_is_told_as_without_jobs(prediction, images, runtime, tmp_path):
    with pytest.raises(NnplugError, match="has no fold '7'"):
        predict_cases(images, *prediction("out", folds=("7",)), runtime)
    assert not (tmp_path / "out").exists()
    images[1].images[0].write_bytes(b"torn")
    with pytest.raises(Problems) as problems:
        predict_cases(images[:3], *prediction("out"), runtime)
    (line,) = problems.value.lines
    assert line.startswith("case_01: ")
    assert (tmp_path / "out" / "case_02.nii.gz").is_file()


def test_what_is_kept_is_looked_at(prediction, images, runtime, tmp_path):
    predict_cases(images[:2], *prediction("out"), runtime)
    torn, whole = (tmp_path / "out" / f"case_0{k}.nii.gz" for k in range(2))
    labels, content = read_label(torn).array, whole.read_bytes()
    torn.write_bytes(torn.read_bytes()[:60])
    whole.unlink()
    whole.write_bytes(content)  # a copy: another time of change, the same content
    written = whole.stat().st_mtime_ns
    predict_cases(images[:2], *prediction("out", resume=True), runtime)
    assert np.array_equal(read_label(torn).array, labels)
    assert whole.stat().st_mtime_ns == written

    predict_cases(images[:1], *prediction("more", save_probabilities=True), runtime)
    volumes = tmp_path / "more" / "case_00.npz"
    volumes.write_bytes(volumes.read_bytes()[:100])
    predict_cases(images[:1], *prediction("more", save_probabilities=True, resume=True), runtime)
    assert np.load(volumes)["probabilities"].shape[1:] == labels.shape

    place = Geometry((2, 3, 4), (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, DIRECTION)
    write_label(tmp_path / "other.nii.gz", np.zeros((2, 3, 4), np.uint8), place)
    (tmp_path / "other.nii.gz").replace(whole)
    with pytest.raises(Problems, match=r"case_01\.nii\.gz: has changed since nnplug wrote it"):
        predict_cases(images[:2], *prediction("out", resume=True), runtime)
