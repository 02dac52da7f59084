"""Exports: what lies in the folder, what `model.json` says, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.errors import NnplugError
from nnplug.models.bundle import pack
from nnplug.models.weights import read_weights
from nnplug.plans.plans import Choice
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug.runtime.digests import sha256
from nnplug.runtime.progress import Silent
from nnplug_cli.main import main
from nnplug_export.export import export_model
from nnplug_export.onnx_writer import OnnxWriter
from nnplug_export.torch_writer import TorchWriter


@dataclass
class FakeWriter:
    """A writer whose files are the weights, and which computes with the network that it was given."""

    format: str = "onnx"
    ending: str = ".onnx"
    offset: float = 0.0
    error: Exception | None = None
    network: Any = field(default=None, repr=False)

    def write(self, network, example, path):
        if self.error is not None:
            raise self.error
        self.network = network
        path.write_bytes(b"network")

    def read(self, path):
        assert path.read_bytes() == b"network"
        return lambda batch: self.network(batch) + self.offset


def export(source, target, writer=None, **options):
    return export_model(source, target, writer or FakeWriter(), plugins=Plugins(), progress=Silent(), **options)


def network(bundle, fold):
    plugins = Plugins()
    plans = json.loads((bundle / "plans.json").read_text())
    choice = plans["configurations"]["3d_fullres"]["architecture"]
    made = plugins.registry.get(ARCHITECTURE, choice["name"]).create(choice["options"]).build(channels=1, outputs=3)
    made.load_state_dict(read_weights(bundle / f"fold_{fold}/weights.safetensors"))
    return made.eval()


def test_the_command_writes_a_checked_onnx_file_per_fold_with_the_weights_of_its_fold(models, tmp_path):
    bundle = models.bundle(tmp_path, folds=2)
    target = tmp_path / "out"
    result = CliRunner().invoke(main, ["model", "export-onnx", str(bundle), "-o", str(target)])
    assert result.exit_code == 0, result.output
    made, following = result.stdout.splitlines()
    assert made == f"model: {target}"
    assert following == f"next: nnplug-runtime predict -i IMAGES -o PREDICTIONS -m {target}"
    (member,) = json.loads((target / "model.json").read_text())["members"]
    batch = torch.randn(3, 1, 8, 8, 8)
    for fold in member["folds"]:
        path = target / fold["file"]
        assert fold["sha256"] == sha256(path)
        assert fold["weights_sha256"] == sha256(bundle / f"fold_{fold['name']}/weights.safetensors")
        assert 0 < fold["greatest_difference"] < 1e-4 * fold["largest_logit"]
        onnx.checker.check_model(path)
        (given,) = onnxruntime.InferenceSession(path).run(["logits"], {"image": batch.numpy()})
        with torch.no_grad():
            expected = network(bundle, fold["name"])(batch)
        assert torch.allclose(torch.from_numpy(given), expected, atol=1e-4)
    assert [fold["name"] for fold in member["folds"]] == ["0", "1"]
    assert {file.name for file in target.rglob("*")} == {"model.json", "3d_fullres", "fold_0.onnx", "fold_1.onnx"}


def test_a_graph_is_used_again_for_networks_of_the_same_input_alone():
    writer, asked = OnnxWriter(), []

    def graph(_, example):
        asked.append(example.shape)
        names = [onnx.numpy_helper.from_array(layer.weight.detach().numpy(), "weight")]
        return onnx.ModelProto(graph=onnx.GraphProto(initializer=names))

    layer = torch.nn.Conv3d(1, 1, 1, bias=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nnplug_export.onnx_writer._graph", graph)
        patch.setattr("nnplug_export.onnx_writer.onnx.save", lambda *_, **__: None)
        for shape in ((2, 1, 4, 4, 4), (2, 1, 4, 4, 4), (2, 1, 4, 4, 8)):
            writer.write(layer, torch.zeros(shape), Path("a.onnx"))
    assert asked == [(2, 1, 4, 4, 4), (2, 1, 4, 4, 8)]


def test_weights_above_the_limit_of_protobuf_lie_beside_the_file(models, tmp_path, monkeypatch):
    monkeypatch.setattr("nnplug_export.onnx_writer.LARGEST", 1000)
    layer = torch.nn.Conv3d(1, 8, 5).eval().requires_grad_(requires_grad=False)
    writer, example = OnnxWriter(), torch.randn(2, 1, 8, 8, 8)
    for name in ("one", "two"):  # the second shows that the first did not empty the graph
        writer.write(layer, example, tmp_path / f"{name}.onnx")
        assert (tmp_path / f"{name}.onnx.data").stat().st_size >= 4000
        assert torch.allclose(writer.read(tmp_path / f"{name}.onnx")(example), layer(example), atol=1e-5)


def test_a_torch_export_computes_the_same(models, tmp_path):
    bundle = models.bundle(tmp_path)
    target = tmp_path / "out"
    words = ["model", "export-torch", str(bundle), "--output", str(target), "--fold", "0", "--replace"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    data = json.loads((target / "model.json").read_text())
    assert data["format"] == "torch-export"
    batch = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        given = torch.export.load(target / "3d_fullres/fold_0.pt2").module()(batch)
        assert torch.allclose(given, network(bundle, 0)(batch), atol=1e-5)


def test_model_json_has_what_prediction_needs(models, tmp_path):
    rule = models.largest((1, 2), (2,))
    plan = {"choices": {"inference": Choice(name="sliding-window", options={"step": 0.25})}}
    fields = {"normalization": ("ct", "zscore"), "use_mask": True}
    bundle = models.bundle(tmp_path, labels=models.REGIONS, rule=rule, plan=plan, **fields)
    data = export(bundle, tmp_path / "out").data()
    assert data == json.loads((tmp_path / "out/model.json").read_text())
    assert data["labels"] == {
        "values": {"background": [0], "whole": [1, 2], "core": [2]},
        "regions": True,
        "paint": [1, 2],
    }
    assert data["postprocessing"] == {"keep_largest": [[1, 2], [2]]}
    assert data["source"]["licence"] == "CC0"
    assert data["source"]["bundle_sha256"] == sha256(bundle / "bundle.json")
    (stage,) = data["members"]
    assert (stage["inputs"], stage["outputs"], stage["transpose"]) == (2, 2, [1, 0, 2])
    ct, zscore = stage["channels"]
    assert ct["statistics"] == {"mean": 60.0, "std": 40.0, "percentile_00_5": -20.0, "percentile_99_5": 160.0}
    assert zscore == {"name": "MR1", "scheme": "zscore", "use_mask": True}
    assert stage["windows"]["step"] == 0.25
    assert stage["resampling"]["image"] == {"order": 3, "order_across": 0, "anisotropy": 3.0, "clip": True}


@pytest.mark.parametrize(("name", "grid", "order"), [("nnunet-none", "own", 3), ("nnunet-torch", "spacing", 1)])
def test_resamplers_of_nnunet_have_words(models, tmp_path, name, grid, order):
    bundle = models.bundle(tmp_path, plan={"choices": {"resampler": Choice(name=name)}})
    (stage,) = export(bundle, tmp_path / "out").members
    assert (stage.resampling.grid, stage.resampling.image.order) == (grid, order)


def test_a_cascade_cannot_have_the_ties_of_torch(models, tmp_path):
    bundle = models.cascade(tmp_path, choices={"resampler": Choice(name="nnunet-torch")})
    with pytest.raises(NnplugError, match="resampler 'nnunet-torch' from nnplug-nnunet .* cannot be exported"):
        export(bundle, tmp_path / "out")


def test_a_cascade_has_the_stage_before_and_an_ensemble_its_members(models, tmp_path):
    (stage,) = export(models.cascade(tmp_path), tmp_path / "cascade-out").members
    assert (stage.previous_labels, stage.inputs) == ((1, 2), 3)
    assert [fold.file for fold in stage.previous.folds] == [f"full/previous/fold_{k}.onnx" for k in (0, 1)]
    both = export(models.ensemble(tmp_path, rule=models.largest((1,))), tmp_path / "both").members
    assert [(one.configuration, len(one.windows.patch_size)) for one in both] == [("3d", 3), ("2d", 2)]


def test_a_zip_file_and_a_choice_of_folds(models, tmp_path):
    bundle = models.bundle(tmp_path, "bundle.zip", folds=2)
    exported = export(bundle, tmp_path / "out", folds=("1",))
    assert [fold.name for fold in exported.members[0].folds] == ["1"]
    assert exported.source.bundle_sha256 is not None
    with pytest.raises(NnplugError, match="has no fold '7'; it has 0, 1"):
        export(bundle, tmp_path / "other", folds=("7",))


ODD = """
    from nnplug_nnunet.normalizers import ZScore
    from nnplug_nnunet.preprocessor import NnunetPreprocessor
    from nnplug_nnunet.resamplers import SplineResampler

    class Odd(ZScore): ...
    class OddPreprocessor(NnunetPreprocessor): ...
    class OddResampler(SplineResampler): ...

    @hookimpl
    def nnplug_normalizers():
        yield NormalizerComponent("odd", "fake_nnplug_odd:Odd", "odd")

    @hookimpl
    def nnplug_preprocessors():
        yield PreprocessorComponent(
            "odd", "fake_nnplug_odd:OddPreprocessor", "odd", takes_resampler=True, takes_previous_stage=True
        )

    @hookimpl
    def nnplug_resamplers():
        yield ResamplerComponent("odd", "fake_nnplug_odd:OddResampler", "odd")
"""


@pytest.mark.parametrize(
    ("named", "fields"),
    [
        ("normalizer 'odd' from nnplug-odd 1.0", {"normalization": ("odd",)}),
        ("preprocessor 'odd' from nnplug-odd 1.0", {"plan": {"choices": {"preprocessor": Choice(name="odd")}}}),
        ("resampler 'odd' from nnplug-odd 1.0", {"plan": {"choices": {"resampler": Choice(name="odd")}}}),
        ("inference 'whole-image' from nnplug-core", {"plan": {"choices": {"inference": Choice(name="whole-image")}}}),
    ],
)
def test_a_component_without_words_is_refused_by_name(models, tmp_path, install, named, fields):
    install("nnplug-odd", "odd", ODD)
    bundle = models.bundle(tmp_path, **fields)
    with pytest.raises(NnplugError, match="cannot be exported: model.json has no words for what it does") as caught:
        export(bundle, tmp_path / "out")
    (line,) = caught.value.lines
    assert line.startswith(named)
    assert not (tmp_path / "out").exists()


def test_rules_and_readers_of_others_are_refused_by_name(models, tmp_path):
    rule = models.largest((1,))
    rule["provider"] |= {"name": "tidy", "target": "tidy:Tidy", "distribution": "nnplug-tidy", "version": "2.0"}
    with pytest.raises(NnplugError, match=r"postprocessor 'tidy' from nnplug-tidy 2\.0 cannot be exported"):
        export(models.bundle(tmp_path, rule=rule), tmp_path / "out")
    plugins = Plugins()
    own = models.plans({"3d": models.configuration(plugins)})
    made = models.contents(tmp_path, own, "3d", plugins=plugins)
    reader = record([plugins.registry.get(Kind.READER, "nibabel-reoriented")])
    pack(replace(made, providers=(*made.providers, *reader)), tmp_path / "read")
    with pytest.raises(NnplugError, match="reader 'nibabel-reoriented' from nnplug-readers .* cannot be exported"):
        export(tmp_path / "read", tmp_path / "out")


def test_a_network_that_does_not_export_is_refused_by_name(models, tmp_path):
    bundle = models.bundle(tmp_path)
    with pytest.raises(NnplugError) as caught:
        export(bundle, tmp_path / "out", FakeWriter(error=RuntimeError("no such operator\nand more")))
    (line,) = caught.value.lines
    assert line.startswith("architecture 'plain-conv-unet' from nnplug-nnunet")
    assert line.endswith("its network cannot be exported as onnx (RuntimeError: no such operator)")
    assert list(tmp_path.glob("*out*")) == []


def test_a_file_that_computes_something_else_is_not_left_behind(models, tmp_path):
    with pytest.raises(NnplugError, match="fold 0: the exported network gives other logits than PyTorch: they differ"):
        export(models.bundle(tmp_path), tmp_path / "out", FakeWriter(offset=0.1))
    with pytest.raises(NnplugError, match="they differ by nan"):
        export(models.bundle(tmp_path, "again"), tmp_path / "out", FakeWriter(offset=float("nan")))
    assert list(tmp_path.glob("*out*")) == []


def test_only_an_export_is_replaced_and_one_with_other_files_if_asked(models, tmp_path):
    bundle, target = models.bundle(tmp_path), tmp_path / "out"
    target.mkdir()
    (target / "thesis.txt").write_text("mine")
    for replaced in (False, True):
        with pytest.raises(NnplugError, match="is there and is no export of nnplug; choose another place or remove it"):
            export(bundle, target, replace=replaced)
    assert (target / "thesis.txt").read_text() == "mine"
    shutil.rmtree(target)
    export(bundle, target)
    export(bundle, target)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(NnplugError, match=r"notes\.txt: is no file that nnplug wrote into the export"):
        export(bundle, target)
    export(bundle, target, replace=True)
    assert not (target / "notes.txt").exists()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NnplugError, match="file: is a file, but a folder is to be written here"):
        export(bundle, file)
    with pytest.raises(NnplugError, match="bundle: is a bundle, which would be damaged"):
        export(bundle, bundle / "out")


def test_weights_of_another_network_are_told(models, tmp_path):
    plugins = Plugins()
    own = models.plans({"3d_fullres": models.configuration(plugins)})
    made = models.contents(tmp_path, own, "3d_fullres", plugins=plugins)
    other = models.configuration(
        plugins, architecture=Choice(name="plain-conv-unet", options=models.options(plugins, 3, 3))
    )
    pack(replace(made, plans=models.plans({"3d_fullres": other})), tmp_path / "wrong")
    with pytest.raises(NnplugError, match="does not fit the network of its plans"):
        export(tmp_path / "wrong", tmp_path / "out")


@pytest.mark.slow  # half a minute: a residual network, and the time of the exporter
def test_residual_networks_in_two_and_three_dimensions_are_exported(models, tmp_path):
    for dims in (2, 3):
        from nnplug.contracts import Topology

        plugins = Plugins()
        topology = Topology(
            strides=((1,) * dims, (2,) * dims, (2,) * dims),
            kernel_sizes=((3,) * dims,) * 3,
            features_per_stage=(4, 8, 8),
        )
        entry = plugins.registry.get(Kind.ARCHITECTURE, "residual-encoder-unet")
        options = json.loads(json.dumps(entry.load().options_for(topology)))
        architecture = Choice(name="residual-encoder-unet", options=options)
        bundle = models.bundle(tmp_path, f"residual{dims}", patch=(8,) * dims, architecture=architecture)
        for writer in (OnnxWriter(), TorchWriter()):
            (stage,) = export(bundle, tmp_path / f"out-{dims}-{writer.format}", writer).members
            assert stage.folds[0].greatest_difference < 1e-4
