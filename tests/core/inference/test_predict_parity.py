"""Models that nnU-Net v2 trained predict what nnunetv2 predicted with them (float32 on the CPU).

Those called "nomirror" were trained with mirroring, but the reference was predicted without it.
"""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.inference.folder import predict_folder
from nnplug.inference.inputs import find_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.io.images import read_label
from nnplug.models.open import open_model
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug_nnunet.nnunet_models.importing import import_model

MODELS = [
    "hippocampus",
    "em",
    pytest.param("ct-nomirror", marks=pytest.mark.slow),
    pytest.param("brats-nomirror", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", MODELS)
def test_models_of_nnunet_predict_the_same(shared, tmp_path, name):
    reference = shared / "reference" / "models" / name
    plugins = Plugins()
    import_model(reference / "model", tmp_path / "bundle", registry=plugins.registry, progress=Silent())
    model = open_model(tmp_path / "bundle")
    mirroring = not name.endswith("nomirror")
    with_probabilities = any((reference / "predictions").glob("*.npz"))
    options = PredictOptions(mirroring=mirroring, save_probabilities=with_probabilities)
    loaded = LoadedModel.load(model, Runtime(plugins, device="cpu"), options)
    cases = find_cases([reference / "images"], model.description.file_ending)
    predict_folder(loaded, cases, tmp_path / "out", options, progress=Silent())
    assert cases
    for case in cases:
        label_file = f"{case.name}{model.description.file_ending}"
        ours, theirs = (read_label(folder / label_file) for folder in (tmp_path / "out", reference / "predictions"))
        assert ours.geometry == theirs.geometry
        foreground = (ours.array > 0) | (theirs.array > 0)
        assert foreground.any()
        assert (ours.array == theirs.array)[foreground].mean() >= 0.9995
        if with_probabilities:
            _compare_probabilities(
                tmp_path / "out" / f"{case.name}.npz", reference / "predictions" / f"{case.name}.npz"
            )


def _compare_probabilities(ours, theirs):
    with np.load(ours) as a, np.load(theirs) as b:
        assert a["probabilities"].dtype == np.float32
        np.testing.assert_allclose(a["probabilities"], b["probabilities"].astype(np.float32), rtol=0, atol=5e-3)
