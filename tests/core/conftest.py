"""Runs on disk without training, and tiny models of random weights."""

from __future__ import annotations

import json
from functools import partial
from shutil import copyfile

import msgspec
import numpy as np
import pytest
import SimpleITK
import torch
from safetensors.torch import save_file

from nnplug.contracts import Topology
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.models.bundle import Contents, pack
from nnplug.models.open import Member
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import Provider, record
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import RunRecord

LABELS = {"background": 0, "a": 1, "b": 2}
DESCRIPTION = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 2,
    "file_ending": ".nii.gz",
    "licence": "CC0",
}


@pytest.fixture
def plans():
    configuration = Configuration(
        spacing=(1.0, 1.0, 1.0),
        patch_size=(8, 8, 8),
        batch_size=2,
        median_shape=(8.0, 8.0, 8.0),
        normalization=(Normalization(name="zscore", use_mask=False),),
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="plain-conv-unet"),
    )
    return Plans(
        dataset="Dataset001_A",
        name="nnunet",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0, 1.0, 1.0),
        median_shape=(8.0, 8.0, 8.0),
        intensity={},
        configurations={"3d_fullres": configuration},
    )


@pytest.fixture
def provider():
    return Provider(
        kind=Kind.ARCHITECTURE,
        name="plain-conv-unet",
        target="nnplug_nnunet.architectures:PlainConvUNet",
        plugin="nnunet",
        distribution="nnplug-nnunet",
        version="0.1.0",
        state_version=1,
    )


@pytest.fixture
def make_run(tmp_path, plans, provider):
    """`make_run(0)` writes a finished run of fold 0; keywords replace fields of its record."""

    def make(fold, *, finished=True, best=True, **fields):
        run = RunFolder(tmp_path / "runs" / f"fold_{fold}")
        run.path.mkdir(parents=True, exist_ok=True)
        plans.write(run.plans)
        run.description.write_text(json.dumps(DESCRIPTION))
        fields_of_record = {
            "dataset": plans.dataset,
            "plans": plans.name,
            "plans_digest": plans.digest(),
            "configuration": "3d_fullres",
            "fold": fold,
            "seed": 0,
            "command": ("nnplug", "train"),
            "providers": (provider,),
            "versions": {"python": "3.11"},
            "mirror_axes": (0, 1, 2),
            "training": ("a",),
            "validation": ("b",),
            "created": "2026-01-01T00:00:00+00:00",
        }
        RunRecord(**{**fields_of_record, **fields}).write(run.record)
        offset = 100 if fold == "all" else fold
        if finished:
            save_file({"w": torch.full((2,), float(offset))}, run.final_weights)
        if best:
            save_file({"w": torch.full((2,), offset + 0.5)}, run.best_weights)
        return run

    return make


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture
def make_model(plans, plugins, tmp_path):
    """`make_model(folds=2)` gives a member with weights from seeds; keywords change its labels, files or plans."""

    def make(folds=1, labels=LABELS, channels=1, seed=0, ending=".nii.gz", configuration=None, **plan_fields):
        registry = plugins.registry
        topology = Topology(strides=((1,) * 3, (2,) * 3), kernel_sizes=((3,) * 3,) * 2, features_per_stage=(4, 8))
        options = registry.get(Kind.ARCHITECTURE, "plain-conv-unet").load().options_for(topology)
        fields = {
            "architecture": Choice(name="plain-conv-unet", options=json.loads(json.dumps(options))),
            "spacing": (1.0, 1.5, 1.0),
            "normalization": plans.configurations["3d_fullres"].normalization * channels,
            **(configuration or {}),
        }
        changed = msgspec.structs.replace(plans.configurations["3d_fullres"], **fields)
        forward = {"transpose_forward": (1, 0, 2), "transpose_backward": (1, 0, 2)}
        own = msgspec.structs.replace(plans, configurations={"3d_fullres": changed}, **{**forward, **plan_fields})
        raw = {
            "channel_names": {str(c): f"MR{c}" for c in range(channels)},
            "labels": labels,
            "numTraining": 2,
            "file_ending": ending,
            **({"regions_class_order": [1, 2]} if any(isinstance(value, list) for value in labels.values()) else {}),
        }
        description = DatasetDescription.from_data(raw, "dataset.json")
        files = []
        for fold in range(folds):
            torch.manual_seed(seed + fold)
            network = registry.create(Kind.ARCHITECTURE, "plain-conv-unet", changed.architecture.options).build(
                channels=channels, outputs=description.labels.outputs
            )
            files.append(tmp_path / f"fold_{seed + fold}.safetensors")
            save_file(network.state_dict(), files[-1])
        entries = [registry.get(Kind.ARCHITECTURE, "plain-conv-unet"), registry.get(Kind.NORMALIZER, "zscore")]
        return Member(own, description, "3d_fullres", tuple(files), (0, 2), record(entries))

    return make


@pytest.fixture
def make_predictor(make_model, plugins):
    def make(model=None, progress=None, **options):
        runtime = Runtime(plugins, device="cpu", progress=progress or Silent())
        return LoadedMember(model or make_model(), runtime, PredictOptions(**options))

    return make


@pytest.fixture
def bundle(make_model, tmp_path):
    """`bundle("a", seed=1)` packs a model of random weights; keywords are those of `make_model`."""

    def make(name, **options):
        model = make_model(**options)
        contents = Contents(
            plans=model.plans,
            description=model.description,
            configuration=model.configuration,
            folds={str(k): partial(copyfile, file) for k, file in enumerate(model.weights)},
            mirror_axes=model.mirror_axes,
            providers=model.providers,
        )
        pack(contents, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def write_image(tmp_path):
    """Write (z, y, x) channels as CASE_0000, CASE_0001 .. with a geometry of their own."""

    def write(name, *channels, ending=".nii.gz", folder="images"):
        (tmp_path / folder).mkdir(exist_ok=True)
        files = []
        for number, channel in enumerate(channels):
            image = SimpleITK.GetImageFromArray(np.asarray(channel))
            if image.GetDimension() == 3 and ending == ".nii.gz":
                image.SetSpacing((0.8, 1.1, 2.0))
                image.SetOrigin((5.0, -3.0, 7.0))
                image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
            files.append(tmp_path / folder / f"{name}_{number:04d}{ending}")
            SimpleITK.WriteImage(image, str(files[-1]))
        return CaseFiles(name, tuple(files))

    return write
