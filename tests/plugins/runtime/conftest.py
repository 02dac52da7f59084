"""Exports of tiny networks whose ONNX graph is written by hand: PyTorch's exporter takes seconds for each."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import SimpleITK as sitk
from onnx import helper, numpy_helper

from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Silent
from nnplug_export.export import export_model
from nnplug_export.onnx_writer import OnnxWriter


def load_models():
    """Return `models.py` of the tests of exports, which is no package."""
    name = "nnplug_tests_export_models"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "export" / "models.py"
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def models():
    """The module that writes bundles of tiny networks."""
    return load_models()


class HandWriter(OnnxWriter):
    """A writer of the graph of a U-Net of two stages; the export compares it with PyTorch."""

    def write(self, network, example, path):
        nodes, state = [], {name: value.numpy() for name, value in network.state_dict().items()}
        dims = example.ndim - 2

        def add(kind, inputs, **attributes):
            nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **attributes))
            return f"t{len(nodes) - 1}"

        def block(name, x, stride=1):
            pads = [1] * (2 * dims)
            x = add("Conv", [x, f"{name}.conv.weight", f"{name}.conv.bias"], pads=pads, strides=[stride] * dims)
            x = add("InstanceNormalization", [x, f"{name}.norm.weight", f"{name}.norm.bias"], epsilon=1e-5)
            return add("LeakyRelu", [x], alpha=0.01)

        skip = block("encoder.stages.0.0.convs.1", block("encoder.stages.0.0.convs.0", "image"))
        deep = block("encoder.stages.1.0.convs.1", block("encoder.stages.1.0.convs.0", skip, stride=2))
        names = ["decoder.transpconvs.0.weight", "decoder.transpconvs.0.bias"]
        up = add("ConvTranspose", [deep, *names], strides=[2] * dims)
        joined = add("Concat", [up, skip], axis=1)
        last = block("decoder.stages.0.convs.1", block("decoder.stages.0.convs.0", joined))
        names = ["decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"]
        nodes.append(helper.make_node("Conv", [last, *names], ["logits"]))
        outputs = state["decoder.seg_layers.0.bias"].shape[0]
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", channels, *example.shape[2:]])
            for name, channels in (("image", example.shape[1]), ("logits", outputs))
        ]
        weights = [numpy_helper.from_array(value, name) for name, value in state.items()]
        graph = helper.make_graph(nodes, "unet", ends[:1], ends[1:], initializer=weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


@pytest.fixture(scope="session")
def exported():
    """`exported(bundle)` exports a bundle beside it and gives the folder."""

    def export(bundle):
        target = bundle.with_name(f"{bundle.name}-onnx")
        export_model(bundle, target, HandWriter(), plugins=Plugins(), progress=Silent())
        return target

    return export


@pytest.fixture
def write_images(tmp_path):
    """`write_images("case", channels, spacing)` writes (C, z, y, x) as files and gives their folder.

    Images are of smooth structures, so that networks of random weights give label maps with large parts.
    """

    def write(name, array, spacing=(1.5, 1.0, 1.0), ending=".nii.gz", folder="images"):
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        for channel, volume in enumerate(array):
            image = sitk.GetImageFromArray(volume)
            image.SetSpacing(spacing[::-1])
            if volume.ndim == 3:
                image.SetOrigin((5.0, -3.0, 7.0))
                image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
            sitk.WriteImage(image, str(target / f"{name}_{channel:04d}{ending}"))
        return target

    return write


@pytest.fixture(scope="session")
def blobs():
    """`blobs(shape, channels)` gives smooth random images (C, z, y, x) float32 with a border of zeros."""
    from scipy import ndimage

    def make(shape, channels=1, seed=0, border=2):
        random = np.random.default_rng(seed)
        noise = random.normal(size=(channels, *shape))
        smooth = ndimage.gaussian_filter(noise, (0, *(2.0,) * len(shape))) * 100
        inside = np.zeros(shape, bool)
        inside[tuple(slice(border if n > 2 * border else 0, n - border if n > 2 * border else n) for n in shape)] = True
        return np.where(inside, smooth + random.normal(size=smooth.shape) + 30, 0).astype(np.float32)

    return make
