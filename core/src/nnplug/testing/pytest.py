"""The conformance kit as test cases; needs pytest, which `nnplug-core[testing]` brings.

This is the whole test of a plugin's contracts::

    from nnplug import Plugins
    from nnplug.testing.pytest import parametrize_components

    @parametrize_components(Plugins(), "acme")
    def test_contract(check):
        check.run()

A check that cannot be done skips the test with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from nnplug.registry.loader import Plugins
from nnplug.testing.check import NotChecked
from nnplug.testing.kit import checks, entries_of


def parametrize_components(plugins: Plugins, name: str | None = None) -> pytest.MarkDecorator:
    """Call a test with `check` once per component and check, named such as "planner-acme: imports no torch".

    Args:
        plugins: the installed plugins.
        name: the name of a plugin or distribution; None for all installed components.

    Raises:
        NnplugError: no plugin has that name, or it is blocked or failed to load.
    """
    entries = list(plugins.registry) if name is None else entries_of(plugins, name)
    cases = [
        pytest.param(replace(check, run=partial(_run, check.run)), id=f"{entry.kind}-{entry.name}: {check.name}")
        for entry in entries
        for check in checks(entry, plugins.registry)
    ]
    return pytest.mark.parametrize("check", cases)


def _run(run: Callable[[], None]) -> None:
    try:
        run()
    except NotChecked as reason:
        pytest.skip(f"not checked: {reason}")
