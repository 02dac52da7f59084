"""nnU-Net's resampling functions in its plans, as resamplers of nnplug and back."""

from __future__ import annotations

import json

import pytest

from nnplug.errors import InvalidFile
from nnplug.models.bundle import read_bundle
from nnplug.plans.plans import Choice, Resampling
from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Silent
from nnplug_nnunet.nnunet_models import export_model, import_model
from nnplug_nnunet.nnunet_models.resampling import resampling_from_nnunet, resampling_to_nnunet

KEYS = ("data", "seg", "probabilities")
SPLINES = {"data": {"is_seg": False, "order": 3}, "seg": {"is_seg": True, "order": 1}, "probabilities": {"order": 1}}
TORCH = {"is_seg": False, "force_separate_z": False, "memefficient_seg_resampling": False}


def configuration(function, keywords, **others):
    names = {f"resampling_fn_{key}": function for key in KEYS}
    values = {f"resampling_fn_{key}_kwargs": dict(keywords.get(key, keywords)) for key in KEYS}
    return {**names, **values, **{f"resampling_fn_{key}": value for key, value in others.items()}}


SOUND = {
    "nnunet": ("resample_data_or_seg_to_shape", SPLINES, None),
    "nnunet-torch": ("resample_torch_fornnunet", TORCH, False),
    "nnunet-torch of slices": ("resample_torch_fornnunet", TORCH | {"force_separate_z": None}, None),
    "nnunet-none": ("no_resampling_hack", {}, None),
}


@pytest.mark.parametrize("name", SOUND)
def test_each_function_of_nnunetv2_is_a_resampler(name):
    function, keywords, force = SOUND[name]
    resampling, chosen = resampling_from_nnunet(configuration(function, keywords), "plans")
    expected = name.partition(" ")[0]
    assert chosen == (None if expected == "nnunet" else Choice(name=expected))
    assert resampling.image.force_separate_z is resampling.probability.force_separate_z is force
    written = resampling_to_nnunet(resampling, chosen, "plans")
    assert resampling_from_nnunet(written, "plans") == (resampling, chosen)
    assert {written[f"resampling_fn_{key}"] for key in KEYS} == {function}


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (
            configuration("mine", {}),
            "resampling_fn_data is 'mine', which nnplug does not have; it has resample_data_or",
        ),
        (
            configuration("resample_torch_fornnunet", TORCH, seg="no_resampling_hack"),
            "resampling_fn_data is 'resample_torch_fornnunet' and resampling_fn_seg 'no_resampling_hack'; nnplug",
        ),
        (
            configuration("resample_torch_fornnunet", TORCH, probabilities="no_resampling_hack"),
            "resampling_fn_probabilities is 'no_resampling_hack', but images are resampled; logits would not fit",
        ),
        (
            configuration("resample_torch_fornnunet", TORCH | {"memefficient_seg_resampling": True}),
            "resampling_fn_data_kwargs has memefficient_seg_resampling True; nnplug has only False",
        ),
        (
            configuration("resample_torch_fornnunet", TORCH | {"colour": "red"}),
            "resampling_fn_data_kwargs has colour 'red'; nnplug has no such keyword",
        ),
    ],
)
def test_what_nnplug_does_not_compute_is_refused_in_a_line(theirs, message):
    with pytest.raises(InvalidFile, match="^plans: ") as caught:
        resampling_from_nnunet(theirs, "plans")
    assert message in str(caught.value)


def test_a_resampler_of_another_package_has_no_form_there():
    with pytest.raises(InvalidFile, match="the resampler is 'mine', which nnU-Net v2 does not have"):
        resampling_to_nnunet(Resampling(), Choice(name="mine"), "plans")


def test_a_model_with_torch_is_imported_and_exported_again(make_bundle, tmp_path):
    """Configurations that another function resamples are left out, with a line."""
    export_model(make_bundle(), tmp_path / "model")
    file = tmp_path / "model" / "plans.json"
    raw = json.loads(file.read_text())
    (name,) = raw["configurations"]
    other = {**raw["configurations"][name], **configuration("no_resampling_hack", {})}
    raw["configurations"] = {name: {**other, **configuration("resample_torch_fornnunet", TORCH)}, "other": other}
    file.write_text(json.dumps(raw))
    notices = []
    progress, registry = Silent(), Plugins().registry
    progress.notice = notices.append
    import_model(tmp_path / "model", tmp_path / "imported", registry=registry, progress=progress)
    bundle = read_bundle(tmp_path / "imported")
    assert bundle.plans.choices["resampler"] == Choice(name="nnunet-torch")
    assert ("resampler", "nnunet-torch") in {(str(one.kind), one.name) for one in bundle.plans.providers}
    assert list(bundle.plans.configurations) == [name]
    (line,) = notices
    assert f"configuration 'other': another function resamples than {name!r}" in line
    export_model(tmp_path / "imported", tmp_path / "again")
    again = json.loads((tmp_path / "again" / "plans.json").read_text())["configurations"][name]
    assert {again[f"resampling_fn_{key}"] for key in KEYS} == {"resample_torch_fornnunet"}
