"""A residual network that nnU-Net's own trainer saved, for one of its plans; figures by bench/oracle/checkpoint.py.

Two channels (CT and MRI), regions with an ignore label, transposed axes, anisotropic strides.
"""

from pathlib import Path

import numpy as np

from nnplug.inference.folder import predict_folder
from nnplug.inference.inputs import find_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.models.open import open_model
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug_nnunet.nnunet_models import import_model

GOLDEN = Path(__file__).parent / "golden/residual"


def test_a_residual_checkpoint_predicts_the_same(tmp_path):
    plugins = Plugins()
    import_model(GOLDEN / "model", tmp_path / "bundle", registry=plugins.registry, progress=Silent())
    model = open_model(tmp_path / "bundle")
    (member,) = model.members
    assert model.plans.configuration(member.configuration).architecture.name == "residual-encoder-unet"
    assert model.plans.transpose_forward == (1, 0, 2)
    assert member.mirror_axes == ()  # nnU-Net decides on mirroring when training starts
    options = PredictOptions(save_probabilities=True)
    loaded = LoadedModel.load(model, Runtime(plugins, device="cpu"), options)
    cases = find_cases([GOLDEN / "images"], ".nii.gz")
    predict_folder(loaded, cases, tmp_path / "out", options, progress=Silent())
    with np.load(tmp_path / "out" / "case.npz") as ours, np.load(GOLDEN / "probabilities.npz") as theirs:
        assert ours["probabilities"].std() > 0.05
        np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], rtol=0, atol=1e-3)
