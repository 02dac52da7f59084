"""The builders of bundles, for the tests of exports and of the runtime."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def load_models():
    """Return `models.py` of this folder, which is no package."""
    name = "nnplug_tests_export_models"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("models.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def models():
    """The module that writes bundles of tiny networks."""
    return load_models()
