"""Every registered component keeps the contract of its kind: the kit that third parties run on theirs."""

from __future__ import annotations

from nnplug import Plugins
from nnplug.testing import checks
from nnplug.testing.pytest import parametrize_components

PLUGINS = Plugins()


@parametrize_components(PLUGINS)
def test_contract(check):
    check.run()


def test_every_component_has_checks():
    entries = list(PLUGINS.registry)
    assert {str(e.source.plugin) for e in entries} >= {"nnunet"}
    assert [f"{e.kind} {e.name}" for e in entries if not checks(e, PLUGINS.registry)] == []
