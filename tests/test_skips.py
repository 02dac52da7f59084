"""With ../shared there, a test that is skipped for want of data or of a plugin fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_data(shared): ...

@pytest.mark.skipif(True, reason="only glibc has mallopt")
def test_system(): ...

def test_other():
    pytest.skip("needs something else")

@pytest.mark.xfail(reason="known")
def test_known():
    raise ValueError

@pytest.mark.skip(reason="later")
def test_marked(): ...
"""


@pytest.fixture
def outcomes(tmp_path):
    """Run small tests with this repository's conftest beside a folder ../shared, or without."""

    def run(*, shared):
        tests = tmp_path / "checkout" / "tests"
        tests.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("conftest.py"), tests)
        (tests / "test_a.py").write_text(TESTS)
        (tests / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
        if shared:
            (tmp_path / "shared").mkdir()
        words = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tests)]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout

    return run


def test_skips_fail_where_the_data_is_there(outcomes):
    told = outcomes(shared=True)
    assert "ERROR checkout/tests/test_whole.py" in told
    assert "was skipped although ../shared is there: could not import 'no_such_module'" in told


def test_single_tests_too(outcomes, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--continue-on-collection-errors")
    told = outcomes(shared=True)
    lines = {line.split()[1].partition("::")[2]: line.split()[0] for line in told.splitlines() if "::test_" in line}
    assert lines == {"test_data": "PASSED", "test_other": "FAILED", "test_known": "XFAIL", "test_marked": "ERROR"}
    assert "was skipped although ../shared is there: needs something else" in told
    assert "only glibc has mallopt" in told


def test_without_the_data_skips_are_skips(outcomes):
    told = outcomes(shared=False)
    assert "FAILED" not in told
    assert "ERROR" not in told
    assert "5 skipped, 1 xfailed" in told
