"""Getting back what a run was made with; every way in which it cannot be had, with its remedy."""

from __future__ import annotations

import msgspec
import pytest

from nnplug import Kind, Plugins
from nnplug.errors import InvalidFile, MissingProvider
from nnplug.registry.components import Entry, Source
from nnplug.registry.entries import COMPONENTS
from nnplug.registry.provenance import Provider, record, resolve

OFFER = """
@hookimpl
def nnplug_architectures():
    yield ArchitectureComponent("mednext", "json:JSONDecoder", "a network", {state})
"""
ELSEWHERE = OFFER.replace("mednext", "other")


@pytest.fixture
def saved(install):
    """What a run with nnplug-mednext 0.3.1 recorded."""
    install("nnplug-mednext", "mednext", OFFER.format(state=1), version="0.3.1")
    return record([Plugins().registry.get(Kind.ARCHITECTURE, "mednext")])


def refusal(saved, plugins):
    with pytest.raises(MissingProvider) as error:
        resolve(saved, plugins, what="this model")
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


NEEDS = "this model needs architecture 'mednext' from nnplug-mednext 0.3.1"
REMEDY = "Run: pip install 'nnplug-mednext==0.3.1'"


def test_a_record_holds_everything_and_survives_json(saved):
    (provider,) = saved
    assert provider.data() == {
        "kind": "architecture",
        "name": "mednext",
        "target": "json:JSONDecoder",
        "plugin": "mednext",
        "distribution": "nnplug-mednext",
        "version": "0.3.1",
        "state_version": 1,
    }
    assert Provider.from_data(provider.data(), "run.json") == provider
    with pytest.raises(InvalidFile, match=r"run\.json: Object contains unknown field 'colour'"):
        Provider.from_data({**provider.data(), "colour": 1}, "run.json")


def test_a_record_has_each_component_once_in_the_order_of_kinds():
    source = Source("x", "nnplug-x", "1.0")
    planner, b, a = (
        Entry(COMPONENTS[kind](name, "a:b", ""), source)
        for kind, name in ((Kind.PLANNER, "p"), (Kind.NORMALIZER, "b"), (Kind.NORMALIZER, "a"))
    )
    assert [p.name for p in record([b, a, planner, b])] == ["p", "a", "b"]


def test_the_same_component_is_found_without_a_word(saved):
    entries, notes = resolve(saved, Plugins(), what="this model")
    assert entries[Kind.ARCHITECTURE, "mednext"].source.version == "0.3.1"
    assert notes == []


def test_another_version_with_the_same_state_version_loads_and_says_so(saved, install):
    install("nnplug-mednext", "mednext", OFFER.format(state=1), version="0.4.0")
    entries, notes = resolve(saved, Plugins(), what="this model")
    assert entries[Kind.ARCHITECTURE, "mednext"].source.version == "0.4.0"
    assert notes == ["architecture 'mednext': saved with nnplug-mednext 0.3.1, used with nnplug-mednext 0.4.0"]


def test_the_right_distribution_is_found_among_two_with_the_name(saved, install):
    install("nnplug-also", "also", OFFER.format(state=7))
    entries, _ = resolve(saved, Plugins(), what="this model")
    assert entries[Kind.ARCHITECTURE, "mednext"].source.distribution == "nnplug-mednext"


def test_not_installed(saved, monkeypatch):
    monkeypatch.undo()  # takes the fake site off sys.path
    assert refusal(saved, Plugins()) == f"{NEEDS}, which is not installed. {REMEDY}"


def test_the_same_name_from_elsewhere_does_not_count(saved, install, monkeypatch):
    renamed = [msgspec.structs.replace(p, distribution="nnplug-gone", plugin="gone") for p in saved]
    assert "from nnplug-gone 0.3.1, which is not installed" in refusal(renamed, Plugins())


@pytest.mark.parametrize("name", ["mednext", "nnplug-mednext"])
def test_blocked(saved, name):
    message = refusal(saved, Plugins(block=[name]))
    assert message == f"{NEEDS}, which is blocked. Load the plugins without blocking {name}."


def test_failed_to_load(saved, install):
    install("nnplug-mednext", "mednext", "import nothere", version="0.3.1")
    assert refusal(saved, Plugins()) == (
        f"{NEEDS}, which is installed but failed to load (ModuleNotFoundError: No module named 'nothere'). "
        "Run: pip install --upgrade nnplug-mednext"
    )


def test_no_longer_offered(saved, install):
    install("nnplug-mednext", "mednext", ELSEWHERE.format(state=1), version="0.5.0")
    assert refusal(saved, Plugins()) == f"{NEEDS}, but nnplug-mednext 0.5.0 no longer offers it. {REMEDY}"


def test_the_distribution_no_longer_has_the_plugin(saved, install):
    install("nnplug-mednext", "renamed", OFFER.format(state=1), version="0.5.0")
    assert refusal(saved, Plugins()) == f"{NEEDS}, but nnplug-mednext 0.5.0 has no plugin 'mednext'. {REMEDY}"


def test_other_state_version(saved, install):
    install("nnplug-mednext", "mednext", OFFER.format(state=2), version="1.0.0")
    assert refusal(saved, Plugins()) == (
        "this model needs architecture 'mednext' with state version 1, but nnplug-mednext 1.0.0 reads state version 2. "
        + REMEDY
    )


def test_only_what_is_used_need_be_there(saved):
    trainer = msgspec.structs.replace(saved[0], kind=Kind.TRAINER, name="gone", distribution="nnplug-gone")
    entries, notes = resolve([*saved, trainer], Plugins(), what="this model", kinds=[Kind.ARCHITECTURE])
    assert list(entries) == [(Kind.ARCHITECTURE, "mednext")]
    assert notes == []
    assert "trainer 'gone'" in refusal([*saved, trainer], Plugins())
