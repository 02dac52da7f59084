"""The trials of what is released: fresh environments, and the lowest versions; what needs no download."""

from __future__ import annotations

import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from release import fresh, lowest
from release.distributions import ROOT, distributions, version


def test_every_distribution_from_dist_has_the_one_version():
    found = {"nnplug": version(), "nnplug-core": version(), "numpy": "2.4.6", "nnplugged": "7"}
    assert fresh.check_versions(found) == [f"nnplug {version()}", f"nnplug-core {version()}"]
    for wrong in ({**found, "nnplug-core": "0.0.1"}, {"numpy": "2.4.6"}):
        with pytest.raises(SystemExit, match=f"expected version {version()} of nnplug"):
            fresh.check_versions(wrong)


def test_a_python_that_is_not_there_is_named():
    words = [sys.executable, "-m", "release.fresh", "python9.9"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "not found: python9.9; name those of this machine: make test-wheels PYTHONS=..\n"


@pytest.mark.slow  # a virtual environment with pip
def test_a_fresh_environment_sees_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment = fresh.Fresh(tmp_path / "environment")
    environment.create(sys.executable)
    assert set(environment.versions()) <= {"pip", "setuptools"}


def test_the_lowest_versions_are_the_highest_of_the_lower_bounds():
    bounds = lowest.bounds()
    every = [Requirement(line) for one in distributions() for line in one.requirements()]
    assert lowest.lower(Requirement(bounds["torch"])) == max(lowest.lower(r) for r in every if r.name == "torch")
    assert not any(name.startswith("nnplug") for name in bounds)
    assert {"numpy", "simpleitk", "dask", "mlflow-skinny"} <= set(bounds)
    assert lowest.bounds("torch==2.13.0+cpu")["torch"] == "torch==2.13.0+cpu"


def test_the_tests_that_are_chosen_exist():
    assert [name for name in lowest.TESTS if not (ROOT / name).exists()] == []
    for name in lowest.NEWER:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text()
        assert file.startswith(lowest.TESTS)
