"""Plugins that break, hang or misbehave: each is named, and every command goes on with the others."""

from __future__ import annotations

import json
import re
import sys

import pytest
from click.testing import CliRunner

from nnplug_cli.main import COMMANDS, main

OFFER = """
@hookimpl
def nnplug_normalizers():
    yield NormalizerComponent("loud", "fake_nnplug_bad:Loud", "a normalizer")

class Loud:
    zeroes_outside_mask = False
    def __init__(self, factor: float = 1.0):
        print("built")
    def normalize(self, image, mask, intensity):
        print("normalised")
        return image
"""
BROKEN = {
    "import error": ("import monai_of_tomorrow", "ModuleNotFoundError: No module named 'monai_of_tomorrow'"),
    "error while importing": ("1 / 0", "ZeroDivisionError: division by zero"),
    "leaves the program": ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
    "wrong type from a hook": (
        "@hookimpl\ndef nnplug_trainers(): return {'a': 1}",
        "nnplug_trainers gave 'a', which is no TrainerComponent",
    ),
    "nothing from a hook": ("@hookimpl\ndef nnplug_trainers(): pass", "nnplug_trainers gave None"),
    "a hook that raises": (
        "@hookimpl\ndef nnplug_trainers(): raise KeyError('x')",
        "nnplug_trainers raised KeyError: 'x'",
    ),
    "an unknown hook": ("@hookimpl\ndef nnplug_trainer(): return []", "Did you mean 'nnplug_trainers'?"),
    "one name twice": (OFFER.replace("    yield", "    for _ in '12': yield"), "offers normalizer 'loud' twice"),
}
NEWER = "needs nnplug-core>=99, but nnplug-core 0.1.0 is installed. Run: pip install --upgrade nnplug-core nnplug-bad"


def nnplug(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_in_a_line_and_harms_nothing_else(install, kind):
    body, reason = BROKEN[kind]
    before = json.loads(nnplug("components", "--json").stdout)
    install("nnplug-bad", "bad", body)
    result = nnplug("components", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == before
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: plugin 'bad' of nnplug-bad 1.0 is off: ")
    assert reason in line


def test_a_plugin_for_a_newer_core_is_not_imported_and_the_remedy_is_said(install):
    install("nnplug-bad", "bad", "print('imported')", needs="nnplug-core>=99")
    result = nnplug("plugins", "list", "--json")
    (bad,) = (plugin for plugin in json.loads(result.stdout) if plugin["plugin"] == "bad")
    assert (bad["status"], bad["reason"]) == ("failed", NEWER)
    assert result.stderr == f"warning: plugin 'bad' of nnplug-bad 1.0 is off: {NEWER}\n"


def test_a_broken_plugin_is_listed_with_the_reason_and_can_be_left_out(install):
    install("nnplug-bad", "bad", "import monai_of_tomorrow")
    row = next(line for line in nnplug("plugins", "list").stdout.splitlines() if line.startswith("bad "))
    assert re.search(r"nnplug-bad +1\.0 +failed +ModuleNotFoundError: No module named 'monai_of_tomorrow'", row)
    result = nnplug("-p", "no:bad", "plugins", "list")
    assert result.stderr == ""
    assert re.search(r"bad +nnplug-bad +1\.0 +blocked +by no:bad", result.stdout)


def test_checking_a_broken_plugin_gives_the_reason_as_the_verdict(install):
    install("nnplug-bad", "bad", "import monai_of_tomorrow")
    result = nnplug("plugins", "check", "bad")
    assert result.exit_code == 1
    assert "plugin bad  loads" in result.stdout
    assert result.stdout.splitlines()[-1] == "bad breaks its contract: 1 failed of 2 checks"
    verdicts = json.loads(nnplug("plugins", "check", "bad", "--json").stdout)
    assert verdicts[0]["problem"] == "ModuleNotFoundError: No module named 'monai_of_tomorrow'"


def test_a_recipe_that_does_not_fit_is_off_alone(install):
    install("nnplug-bad", "bad", OFFER + "\n@hookimpl\ndef nnplug_recipes(): yield Recipe('r', {'losses': 'x'}, '')")
    result = nnplug("components", "--json")
    assert "loud" in {entry["name"] for entry in json.loads(result.stdout)}
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: plugin 'bad' of nnplug-bad 1.0: recipe 'r' is off: it chooses losses; kinds are ")
    (row,) = (row for row in nnplug("plugins", "list").stdout.splitlines() if row.startswith("bad "))
    assert "recipe 'r' is off: it chooses losses" in row
    (bad,) = (one for one in json.loads(nnplug("plugins", "list", "--json").stdout) if one["plugin"] == "bad")
    assert bad["status"] == "loaded"
    assert len(bad["faults"]) == 1
    result = nnplug("plugins", "check", "bad")
    assert result.exit_code == 1
    assert "recipe 'r' is off: it chooses losses" in result.stdout
    diagnosis = json.loads(nnplug("doctor", "--json").stdout)
    assert "recipe 'r' is off" in next(f["limit"] for f in diagnosis["findings"] if f["what"] == "plugins")


def test_help_imports_no_plugin(install):
    install("nnplug-bad", "bad", "raise KeyboardInterrupt")
    for words in ([], *([name] for name in COMMANDS)):
        assert nnplug(*words, "--help").exit_code == 0, words


def test_ctrl_c_while_waiting_for_a_plugin_says_for_which(install):
    install("nnplug-bad", "bad", "raise KeyboardInterrupt")
    result = nnplug("components")
    assert result.exit_code == 130
    assert (
        result.stderr == "interrupted while nnplug-bad 1.0 was being imported; nnplug -p no:nnplug-bad leaves it out\n"
    )
    assert nnplug("-p", "no:nnplug-bad", "components").exit_code == 0


def test_a_slow_plugin_is_named_with_its_seconds(install, monkeypatch):
    install("nnplug-bad", "bad", "import time\ntime.sleep(0.5)\n" + OFFER)
    monkeypatch.setattr("nnplug.registry.loader.SLOW", 0.5)
    said = re.compile(r"plugin 'bad' of nnplug-bad 1\.0 took \d\.\d s to import; nnplug -p no:nnplug-bad leaves it out")
    result = nnplug("components", "--json")
    assert said.search(result.stderr)
    assert "loud" in {entry["name"] for entry in json.loads(result.stdout)}
    sys.modules.pop("fake_nnplug_bad")  # the next command would be another process
    listed = nnplug("plugins", "list").stdout
    sys.modules.pop("fake_nnplug_bad")
    assert re.search(r"bad +nnplug-bad +1\.0 +loaded +took \d\.\d s to import", listed)
    diagnosis = json.loads(nnplug("doctor", "--json").stdout)
    assert said.search(next(f["limit"] for f in diagnosis["findings"] if f["what"] == "plugins"))


def test_what_plugins_print_does_not_end_up_among_the_results(install):
    install("nnplug-bad", "bad", "print('imported')\n" + OFFER.replace("yield", "print('asked'); yield"))
    result = nnplug("components", "--json")
    assert "loud" in {entry["name"] for entry in json.loads(result.stdout)}
    assert result.stderr.splitlines() == ["imported", "asked"]
    assert "asked" not in nnplug("components").stdout
    result = nnplug("plugins", "check", "bad", "--json")
    assert {verdict["problem"] for verdict in json.loads(result.stdout)} == {None}
    assert {"built", "normalised"} <= set(result.stderr.splitlines())


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("Nowhere", "NameError"),
        ("int |", "SyntaxError"),
        ("list.nothing", "AttributeError"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_told_when_the_option_is_set(install, annotation, reason):
    body = f"""
        from dataclasses import dataclass
        @hookimpl
        def nnplug_metrics():
            yield MetricComponent("odd", "fake_nnplug_bad:Odd", "a metric")
        @dataclass(frozen=True)
        class Odd:
            figures = ("odd",)
            ranked = {{}}
            share: {annotation!r} = 1
        """
    install("nnplug-bad", "bad", body)
    shown = nnplug("show", "metric", "odd")
    assert (shown.exit_code, shown.stderr) == (0, ""), "listing evaluates no annotation"
    words = ("-r", "x", "-p", "x", "-o", "x.json", "--metrics", "odd", "--set", "metric.share=2")
    result = nnplug("evaluate", *words)
    assert result.exit_code == 1
    assert re.match(rf"error: metric 'odd'.*{reason if reason != 'NameError' else 'import the types'}", result.stderr)
    assert len(result.stderr.splitlines()) == 1
