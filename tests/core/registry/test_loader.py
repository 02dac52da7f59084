"""Loading: one broken plugin never touches another, and every reason is told."""

from __future__ import annotations

import shutil

import pytest

from nnplug import Kind, Plugins
from nnplug.errors import AmbiguousComponent, InvalidPlugin
from nnplug.registry.loader import Status

OFFER = """
@hookimpl
def nnplug_planners():
    yield PlannerComponent("extra", "json:JSONDecoder", "a planner")
"""


def of(plugins, name):
    return [p for p in plugins if p.source.plugin == name]


def reason(name):
    """Why a plugin failed, seeing to it that the default plugin is none the worse."""
    plugins = Plugins()
    (failed,) = of(plugins, name)
    assert failed.status is Status.FAILED
    assert of(plugins, "nnunet")[0].status is Status.LOADED
    assert not [e for e in plugins.registry if e.source.plugin == name]
    return failed.reason


def test_a_plugin_and_its_source_are_found(install):
    install("nnplug-x", "x", OFFER, version="2.5")
    plugins = Plugins()
    entry = plugins.registry.get(Kind.PLANNER, "extra")
    assert (entry.source.plugin, str(entry.source)) == ("x", "nnplug-x 2.5")
    assert of(plugins, "x")[0].status is Status.LOADED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import nothere", "ModuleNotFoundError: No module named 'nothere'"),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        (
            "@hookimpl\ndef nnplug_planer(): return []",
            "implements the unknown hook 'nnplug_planer'. Did you mean 'nnplug_planners'?",
        ),
        ("@hookimpl\ndef nnplug_planners(config): return []", "Argument(s) {'config'} are declared"),
        ("def nnplug_planners(): return []", "implements no hook of nnplug; decorate its functions"),
        ("@hookimpl\ndef nnplug_planners(): return ['x']", "nnplug_planners gave 'x', which is no PlannerComponent"),
        (
            "@hookimpl\ndef nnplug_planners(): yield TrainerComponent('a', 'b:c', '')",
            "case_index=None), which is no PlannerComponent",
        ),
        ("@hookimpl\ndef nnplug_planners(): yield Component('a', 'b:c', '')", "which is no PlannerComponent"),
        (
            "@hookimpl\ndef nnplug_trainers(): yield TrainerComponent('a', 'b:c', '', takes_several_device=True)",
            "__init__() got an unexpected keyword argument 'takes_several_device'",
        ),
        (
            "@hookimpl\ndef nnplug_trainers(): yield TrainerComponent('a', 'b:c', '', case_index='b.d')",
            "case_index 'b.d' of component 'a' is not 'package.module:attribute'",
        ),
        (
            "@hookimpl\ndef nnplug_trainers(): yield TrainerComponent('a', 'b:c', '', extends_runs='yes')",
            "extends_runs of component 'a' is 'yes'; expected True or False",
        ),
        ("@hookimpl\ndef nnplug_recipes(): yield Component('a', 'b:c', '')", "which is no Recipe"),
        (
            "@hookimpl\ndef nnplug_planners(): return 3",
            "nnplug_planners raised TypeError: 'int' object is not iterable",
        ),
        (
            "@hookimpl\ndef nnplug_planners(): PlannerComponent('a', 'b:c', '')",
            "nnplug_planners gave None; return or yield",
        ),
        (
            "@hookimpl\ndef nnplug_planners(): return PlannerComponent('a', 'b:c', '')",
            "nnplug_planners raised TypeError",
        ),
        (
            "@hookimpl\ndef nnplug_planners(): yield PlannerComponent('Bad Name', 'a:b', '')",
            "'Bad Name' is not lower-case",
        ),
        ("@hookimpl\ndef nnplug_planners(): yield PlannerComponent('a', 'a.b', '')", "'a.b' of component 'a' is not"),
        (
            "@hookimpl\ndef nnplug_planners(): yield PlannerComponent('a', 'b:c', None)",
            "'a' is None, which is no line of text",
        ),
        ("@hookimpl\ndef nnplug_planners(): yield PlannerComponent('a', 'b:c', 'x\\ny')", "which is no line of text"),
        (
            "@hookimpl\ndef nnplug_planners(): yield PlannerComponent('a', 'b:c', '', '1')",
            "state_version of component 'a'",
        ),
        (
            "@hookimpl\ndef nnplug_planners(): yield PlannerComponent(3, 'b:c', '')",
            "component name 3 is not lower-case",
        ),
        ("@hookimpl\ndef nnplug_recipes(): yield Recipe('a', {}, None)", "summary of recipe 'a' is None"),
        ("@hookimpl\ndef nnplug_planners(): yield 1 / 0", "nnplug_planners raised ZeroDivisionError: division by zero"),
        ("@hookimpl\ndef nnplug_planners(): raise SystemExit('bye')", "SystemExit: bye"),
        (OFFER.replace("    yield", "    for _ in range(2): yield"), "offers planner 'extra' twice"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason(install, body, expected):
    install("nnplug-bad", "bad", body)
    assert expected in reason("bad")


def test_a_recipe_that_does_not_fit_is_off_alone(install):
    recipes = "@hookimpl\ndef nnplug_recipes(): yield Recipe('a', {'planer': 'b'}, ''); yield Recipe('c', {}, '')"
    install("nnplug-odd", "odd", OFFER + "\n" + recipes)
    plugins = Plugins()
    (odd,) = of(plugins, "odd")
    assert (odd.status, odd.reason) == (Status.LOADED, "")
    (fault,) = odd.faults
    assert fault.startswith("recipe 'a' is off: it chooses planer; kinds are extractor, planner")
    assert [offered.recipe.name for offered in plugins.registry.recipes if offered.source == odd.source] == ["c"]
    assert [entry.name for entry in plugins.registry if entry.source == odd.source] == ["extra"]


def test_a_failing_hook_takes_back_what_others_of_the_plugin_offered(install):
    install("nnplug-bad", "bad", OFFER + "\n@hookimpl\ndef nnplug_trainers(): raise ValueError('late')")
    assert reason("bad") == "nnplug_trainers raised ValueError: late"


def test_ctrl_c_while_a_plugin_is_imported_stops_and_says_which(install):
    install("nnplug-slow", "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt, match="while nnplug-slow 1.0 was being imported; block nnplug-slow to leave"):
        Plugins()


def test_a_plugin_whose_import_takes_long_says_how_long(install, monkeypatch):
    install("nnplug-slow", "slow", "import time\ntime.sleep(0.3)\n" + OFFER)
    monkeypatch.setattr("nnplug.registry.loader.SLOW", 0.3)
    (slow,) = of(Plugins(), "slow")
    assert slow.status is Status.LOADED
    assert slow.seconds >= 0.3
    assert slow.delay == f"took {slow.seconds:.1f} s to import; block nnplug-slow to leave it out"
    assert of(Plugins(block=["slow"]), "slow")[0].delay == ""


@pytest.mark.parametrize("needs", ["nnplug-core<0.1", "nnplug_core>=99", "nnplug-core<0.1; python_version>'3'"])
def test_a_plugin_for_another_core_is_not_imported(install, needs):
    install("nnplug-old", "old", "raise AssertionError('imported')", needs=needs)
    message = reason("old")
    assert "is installed. Run: pip install --upgrade nnplug-core nnplug-old" in message
    assert "imported" not in message


def test_a_requirement_of_an_extra_does_not_count(install):
    install("nnplug-x", "x", OFFER, needs="nnplug-core>=99; extra == 'future'")
    assert of(Plugins(), "x")[0].status is Status.LOADED


def test_two_distributions_with_one_component_are_listed_and_using_it_names_both(install):
    install("nnplug-x", "x", OFFER)
    install("nnplug-y", "y", OFFER, version="2.0")
    registry = Plugins().registry
    assert [e.source.distribution for e in registry.find(Kind.PLANNER, "extra")] == ["nnplug-x", "nnplug-y"]
    with pytest.raises(AmbiguousComponent) as error:
        registry.get(Kind.PLANNER, "extra")
    assert str(error.value) == (
        "planner 'extra' is offered by nnplug-x 1.0 and nnplug-y 2.0. Block one of nnplug-x, nnplug-y."
    )
    assert Plugins(block=["y"]).registry.get(Kind.PLANNER, "extra").source.distribution == "nnplug-x"


def test_two_plugins_of_one_distribution_with_one_component_are_told_apart_by_their_own_names(install):
    info = install("nnplug-x", "one", OFFER)
    (info.parent / "fake_twin.py").write_text((info.parent / "fake_nnplug_x.py").read_text())
    with (info / "entry_points.txt").open("a") as file:
        file.write("twin = fake_twin\n")
    with pytest.raises(AmbiguousComponent, match="Block one of one, twin."):
        Plugins().registry.get(Kind.PLANNER, "extra")
    assert Plugins(block=["twin"]).registry.get(Kind.PLANNER, "extra").source.plugin == "one"


def test_plugins_of_one_name_from_two_distributions_both_load(install):
    install("nnplug-x", "same", OFFER)
    install("nnplug-y", "same", OFFER.replace("extra", "other"))
    plugins = Plugins()
    assert [p.status for p in of(plugins, "same")] == [Status.LOADED, Status.LOADED]
    assert {"extra", "other"} <= set(plugins.registry.names(Kind.PLANNER))
    assert [p.status for p in of(Plugins(block=["nnplug-x"]), "same")] == [Status.BLOCKED, Status.LOADED]
    assert [p.status for p in of(Plugins(block=["same"]), "same")] == [Status.BLOCKED, Status.BLOCKED]


def test_one_distribution_may_hold_two_plugins(install):
    info = install("nnplug-x", "one", OFFER)
    (info.parent / "fake_two.py").write_text("import nothere")
    with (info / "entry_points.txt").open("a") as file:
        file.write("two = fake_two\n")
    assert [p.status for name in ("one", "two") for p in of(Plugins(), name)] == [Status.LOADED, Status.FAILED]


@pytest.mark.parametrize("name", ["x", "nnplug-x", "NNplug_X"])
def test_blocking_by_plugin_or_distribution_imports_nothing(install, name):
    install("nnplug-x", "x", "raise AssertionError('imported')")
    (blocked,) = of(Plugins(block=[name]), "x")
    assert (blocked.status, blocked.blocked_by) == (Status.BLOCKED, name)


def test_blocking_an_unknown_name_suggests_the_nearest():
    with pytest.raises(InvalidPlugin, match=r"cannot block 'nnuent': .* Did you mean 'nnunet'\?"):
        Plugins(block=["nnuent"])
    with pytest.raises(InvalidPlugin, match=r"cannot block 'qqq': .* Installed: .*nnplug-nnunet"):
        Plugins(block=["qqq"])


def test_a_distribution_seen_twice_on_the_path_counts_once(install, tmp_path, monkeypatch):
    info = install("nnplug-x", "x", OFFER)
    copy = tmp_path / "copy"
    shutil.copytree(info.parent, copy)
    (copy / info.name).rename(copy / "nnplug_x-0.1.dist-info")
    monkeypatch.syspath_prepend(copy)
    monkeypatch.syspath_prepend(info.parent)
    assert len(of(Plugins(), "x")) == 1


def test_garbage_in_an_unrelated_distribution_stops_nothing(install):
    info = install("nnplug-x", "x", OFFER)
    (info / "entry_points.txt").write_text("[console_scripts]\nthis line has no equals sign\n")
    assert of(Plugins(), "nnunet")[0].status is Status.LOADED
