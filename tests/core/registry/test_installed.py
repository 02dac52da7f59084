"""Which distributions are listed with their versions."""

from __future__ import annotations

from importlib.metadata import version

from nnplug.registry.installed import installed_distributions


def test_ours_and_those_of_any_plugin_are_listed_once_and_in_order(install):
    install("Other.Lab", "lab", "import nothere", version="3.1")
    found = installed_distributions()
    assert found["other-lab"] == "3.1"  # although it cannot be imported
    assert found["nnplug"] == version("nnplug")
    assert {"nnplug-core", "nnplug-nnunet", "nnplug-runtime"} <= set(found)
    assert "numpy" not in found
    assert list(found) == sorted(found)
