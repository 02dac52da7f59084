"""The stream of cases: what is held for the whole image, what is exported by which thread, and where errors go."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from threading import Barrier, current_thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nnplug.dataset.case_files import CaseFiles
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.member import LoadedMember
from nnplug.inference.stream import ReadCase, _readers, predict_stream
from nnplug.io.images import read_image
from nnplug.runtime.executor import available_cores
from nnplug.runtime.progress import Silent

CASES = tuple(CaseFiles(name, ()) for name in "abc")


class Work:
    """Gives one prepared image under three names, and remembers what it exports and in which thread."""

    def __init__(self, member, image, *, logits):
        self.case = ReadCase(image.geometry, member.prepare(image))
        self.logits = logits
        self.exported = {}
        self.threads = []

    def read(self, case, member):
        return self.case

    def needs_logits(self, case):
        return case.name in self.logits

    def export(self, case, geometry, predicted):
        assert geometry == self.case.geometry
        self.exported[case.name] = predicted
        self.threads.append(current_thread().name)

    def attempt(self, case):
        return nullcontext()


@pytest.fixture
def member(make_predictor):
    return make_predictor()


@pytest.fixture
def work(member, write_image):
    """`work(logits="ab")` needs the logits of those cases."""
    array = np.random.default_rng(0).normal(50, 20, (20, 9, 8)).astype(np.float32)
    image = read_image(write_image("x", array).images)
    return lambda logits="": Work(member, image, logits=logits)


def stream(member, work, tmp_path, *, logits_behind=True):
    names = []
    predict_stream(
        LoadedModel((member,)),
        CASES,
        work,
        scratch=tmp_path,
        logits_behind=logits_behind,
        progress=Silent(),
        advance=names.append,
    )
    return names


def test_logits_of_a_whole_image_exist_only_for_cases_that_need_them(member, work, tmp_path, monkeypatch):
    whole = []
    logits = LoadedMember.logits
    monkeypatch.setattr(LoadedMember, "logits", lambda *a, **k: (whole.append(1), logits(*a, **k))[1])
    mixed = work(logits="b")
    assert stream(member, mixed, tmp_path) == ["a", "b", "c"]
    assert len(whole) == 1
    (found,) = mixed.exported["b"]
    for name in "ac":
        np.testing.assert_array_equal(mixed.exported[name], found.label_map(member.member.description.labels))


def test_the_last_case_and_logits_that_must_not_wait_are_exported_by_the_caller(member, work, tmp_path):
    own = current_thread().name
    behind, at_once = work(logits="ab"), work(logits="ab")
    stream(member, behind, tmp_path)
    stream(member, at_once, tmp_path, logits_behind=False)
    assert [name == own for name in behind.threads] == [False, False, True]
    assert [name == own for name in at_once.threads] == [True, True, True]


@pytest.mark.parametrize("logits_behind", [False, True])
def test_an_export_that_fails_ends_the_stream_or_leaves_out_its_case(member, work, tmp_path, logits_behind):
    failing = work(logits="a")
    export = failing.export

    def fail(case, geometry, predicted):
        if case.name == "a":
            raise OSError("full")
        export(case, geometry, predicted)

    failing.export = fail
    with pytest.raises(OSError, match="full"):
        stream(member, failing, tmp_path, logits_behind=logits_behind)

    failures = []

    @contextmanager
    def attempt(case):
        try:
            yield
        except OSError:
            failures.append(case.name)

    failing.attempt = attempt
    assert stream(member, failing, tmp_path, logits_behind=logits_behind) == ["b", "c"]
    assert failures == ["a"]


@pytest.mark.parametrize(("device", "cores", "at_once"), [("cpu", 8, 1), ("cuda", 8, 3), ("cuda", 1, 1)])
def test_several_threads_read_for_a_gpu(member, work, tmp_path, monkeypatch, device, cores, at_once):
    monkeypatch.setattr("nnplug.inference.stream.available_cores", lambda: cores)
    reading, most, together = [], [], Barrier(at_once, timeout=20)
    slow = work()

    def read(case, member):
        reading.append(case.name)
        most.append(len(reading))
        together.wait()  # passes when so many threads read
        reading.remove(case.name)
        return slow.case

    monkeypatch.setattr(slow, "read", read)
    on_device = SimpleNamespace(
        device=torch.device(device),
        member=member.member,
        passes=member.passes,
        label_map=member.label_map,
    )
    assert stream(on_device, slow, tmp_path) == ["a", "b", "c"]
    assert max(most) == at_once
    assert list(slow.exported) == ["a", "b", "c"]


def test_one_thread_reads_for_a_cascade(member):
    def on_gpu(previous):
        return LoadedModel((SimpleNamespace(device=torch.device("cuda"), member=SimpleNamespace(previous=previous)),))

    assert _readers(on_gpu(member.member)) == 1
    assert _readers(on_gpu(None)) == min(3, available_cores())
