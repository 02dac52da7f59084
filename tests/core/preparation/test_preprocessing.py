"""The preprocessor that plans name, and the one that plans of an older nnplug mean without a name."""

from __future__ import annotations

import json

import msgspec
import pytest
from click.testing import CliRunner

from nnplug import Plugins
from nnplug.dataset.labels import Labels
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import AmbiguousComponent, InvalidPlugin, UnknownComponent
from nnplug.plans.plans import Choice
from nnplug.preparation.planned import in_form_of
from nnplug.preparation.preprocessing import bind_preprocessor, planned_preprocessor
from nnplug_cli.main import main

LABELS = Labels({"background": (0,), "a": (1,)})
FOREIGN = """
@hookimpl
def nnplug_preprocessors(): yield PreprocessorComponent({}, implied={})
class Flat:
    def bind(self, context): return self
    def prepare(self, image, spacing, label=None):
        from nnplug.workspace.case_store import Prepared
        return Prepared(image[0], label, {{}})
    def read_inverse(self, data): raise NotImplementedError
"""


def named(plans, name, **options):
    return msgspec.structs.replace(plans, choices={"preprocessor": Choice(name=name, options=options)})


def test_plans_without_a_name_mean_the_implied_one(plans, plugins):
    entry, choice = planned_preprocessor(plans, plugins.registry)
    assert (entry.name, entry.source.distribution, choice) == ("nnunet", "nnplug-nnunet", Choice(name="nnunet"))


def test_without_its_plugin_old_plans_are_refused_and_a_foreign_one_is_not_taken(plans, install):
    install("nnplug-foreign", "foreign", FOREIGN.format('"flat", "fake_nnplug_foreign:Flat", ""', False))
    registry = Plugins(block=["nnplug-nnunet"]).registry
    with pytest.raises(UnknownComponent, match="name no preprocessor, and no installed plugin offers the one that th"):
        planned_preprocessor(plans, registry)
    assert planned_preprocessor(named(plans, "flat"), registry)[0].name == "flat"


def test_two_distributions_that_offer_the_implied_name_are_named(plans, install):
    install("nnplug-foreign", "foreign", FOREIGN.format('"nnunet", "fake_nnplug_foreign:Flat", ""', True))
    with pytest.raises(AmbiguousComponent, match="'nnunet' is offered by nnplug-foreign 1.0 and nnplug-nnunet"):
        planned_preprocessor(plans, Plugins().registry)


def test_new_plans_take_the_form_of_older_ones_that_mean_the_same(plans, plugins, install):
    install("nnplug-foreign", "foreign", FOREIGN.format('"flat", "fake_nnplug_foreign:Flat", ""', False))
    registry, same, other = Plugins().registry, named(plans, "nnunet"), named(plans, "flat")
    assert in_form_of(same, plans, registry).digest() == plans.digest() != same.digest()
    assert in_form_of(same, same, registry) == same
    assert in_form_of(other, plans, registry) == other
    with_options = named(plans, "nnunet", a=1)
    assert in_form_of(with_options, plans, registry) == with_options


def test_what_a_preprocessor_gives_is_checked_and_names_it(plans, install):
    import numpy as np

    install("nnplug-foreign", "foreign", FOREIGN.format('"flat", "fake_nnplug_foreign:Flat", ""', False))
    own = bind_preprocessor(named(plans, "flat"), "3d_fullres", LABELS, Plugins().registry)
    message = r"preprocessor 'flat' from nnplug-foreign 1.0 gave an image of float32 and shape \(4, 5, 6\); expected"
    with pytest.raises(InvalidPlugin, match=message):
        own.prepare(np.ones((1, 4, 5, 6), np.float32), (1.0, 1.0, 1.0))


def test_plans_and_stores_of_an_older_nnplug_are_kept(tmp_path):
    """Without the name on disk nothing differs: no case is prepared again, and no run was begun with other values."""
    dataset = write_phantom(tmp_path / "Dataset900_Old", cases=2, unseen=0, shape=(20, 24, 22)).folder
    words = ["run", str(dataset), "-w", str(tmp_path / "w"), "-c", "3d_fullres", "--until", "preprocess"]
    assert CliRunner().invoke(main, words).exit_code == 0
    file = tmp_path / "w/Dataset900_Old/plans/nnunet.json"
    data = json.loads(file.read_text())
    assert data["choices"].pop("preprocessor") == {"name": "nnunet", "options": {}}
    file.write_text(json.dumps(data))
    before, times = file.stat().st_mtime_ns, [p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("image.npy"))]
    again = CliRunner().invoke(main, words)
    assert (again.exit_code, "change" in again.stderr) == (0, False)
    assert (file.stat().st_mtime_ns, [p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("image.npy"))]) == (
        before,
        times,
    )
    assert CliRunner().invoke(main, ["plan", str(dataset), "-w", str(tmp_path / "w")]).exit_code == 0
    assert "preprocessor" not in json.loads(file.read_text())["choices"]
