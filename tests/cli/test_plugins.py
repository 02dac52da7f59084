"""`nnplug plugins list` and `check`."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from nnplug_cli.main import main

GOOD = """
    @hookimpl
    def nnplug_normalizers():
        return [NormalizerComponent("fake", "fake_nnplug_fake:Fake", "a fake")]

    class Fake:
        zeroes_outside_mask = False
        def normalize(self, image, mask, intensity):
            return image
"""


def nnplug(*words):
    return CliRunner().invoke(main, list(words))


def test_the_list_names_every_plugin_and_its_state():
    found = {p["plugin"]: p for p in json.loads(nnplug("plugins", "list", "--json").stdout)}
    assert found["nnunet"]["status"] == "loaded"
    blocked = nnplug("-p", "no:nnunet", "plugins", "list").stdout
    assert any(line.startswith("nnunet") and "by no:nnunet" in line for line in blocked.splitlines())


def test_a_sound_plugin_passes(install):
    install("nnplug-fake", "fake", GOOD)
    result = nnplug("plugins", "check", "fake")
    assert result.exit_code == 0, result.output
    assert "normalizer fake  normalises a whole image" in result.stdout
    assert re.search("plugin fake +imports quickly, without torch +ok", result.stdout)
    assert result.stdout.splitlines()[-1] == "fake keeps its contract: 0 failed of 9 checks, 1 skipped"
    skipped = "looks inside the mask alone +skipped: zeroes_outside_mask is False, so that it may use or ignore a mask"
    assert re.search(f"normalizer fake +{skipped}", result.stdout)


def test_a_broken_plugin_fails_and_says_why(install):
    install("nnplug-fake", "fake", GOOD.replace("return image", "return image[1:]"))
    assert (
        "nnplug-fake breaks its contract: 3 failed of 9 checks, 1 skipped"
        in nnplug("plugins", "check", "nnplug-fake").stdout
    )
    result = nnplug("plugins", "check", "nnplug-fake", "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    problems = {v["check"]: v["problem"] for v in rows}
    assert problems["normalises a whole image"] == "an image of shape (12, 16, 14) came back with shape (11, 16, 14)"
    assert problems["says what it zeroes"] is None
    states = {v["check"]: (v["state"], v["skipped"]) for v in json.loads(result.stdout)}
    assert states["says what it zeroes"] == ("passed", None)
    assert states["normalises a whole image"] == ("failed", None)
    reason = "zeroes_outside_mask is False, so that it may use or ignore a mask"
    assert states["looks inside the mask alone"] == ("skipped", reason)


def test_table_and_json_have_one_row_per_fault(install):
    """A class that cannot be built fails every check that builds it, for one reason."""
    install(
        "nnplug-fake",
        "fake",
        GOOD.replace("def normalize", "def __init__(self): raise RuntimeError('no')\n        def normalize"),
    )
    printed = nnplug("plugins", "check", "fake").stdout
    rows = json.loads(nnplug("plugins", "check", "fake", "--json").stdout)
    assert len(rows) == len(printed.splitlines()) - 2, "the table has a head and a last line besides"
    (fault,) = (row for row in rows if row["state"] == "failed")
    assert len(fault["checks"]) > 1
    assert f"{fault['check']}, and {len(fault['checks']) - 1} more" in printed
    assert f"{len(fault['checks'])} failed of {sum(len(row['checks']) for row in rows)} checks" in printed
    assert all(row["checks"] == [row["check"]] for row in rows if row["state"] != "failed")


def test_an_unknown_plugin_is_one_line_with_the_known_ones():
    result = nnplug("plugins", "check", "nope")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no plugin or distribution is called 'nope'. Installed plugins: ")
    assert "nnunet" in result.stderr


def test_checks_that_fail_for_one_reason_are_one_row(install):
    install(
        "nnplug-fake", "fake", GOOD.replace("zeroes_outside_mask = False", "def __init__(self): raise OSError('x')")
    )
    result = nnplug("plugins", "check", "fake")
    assert result.exit_code == 1
    rows = [line for line in result.stdout.splitlines() if line.startswith("normalizer fake")]
    (row,) = [line for line in rows if "failed: x" in line]
    assert re.search(r"normalizer fake +\w.*, and \d more +normalizer 'fake' from nnplug-fake 1.0 failed: x", row)
