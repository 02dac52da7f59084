"""Fixtures that tests of several folders share."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from nnplug.registry.base_entry import Component
from nnplug.registry.entries import COMPONENTS

ROOT = Path(__file__).parents[1]
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
SHARED = ROOT.parent / "shared"

MAY_SKIP = (
    "only glibc has mallopt",
    "this kernel gives no huge pages",
    "this system does not say what its cores do",
    "only Linux tells the memory of workers",
    "only Linux gives orphans to us",
    "reads /proc",
    "needs a GPU",
    "the pretended GPU ",
    "not checked: ",  # the conformance kit says that a component does not offer what a check tries
    "needs nnunetv2: set ORACLE",
    "needs the Debian package",
    "needs the client of monailabel",
    "needs bids-validator-deno",
    "needs ome-zarr and ngff-zarr",
)
"""How the reasons begin for which a test may be skipped although ../shared is there: what no checkout can bring."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and of nnunetv2's figures beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (real data and reference figures), which is not here")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped although ../shared is there, unless its reason is one of `MAY_SKIP`."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file that is skipped as a whole, in the same way."""
    return _without_skip((yield))


def _without_skip(report: Report) -> Report:
    expected = hasattr(report, "wasxfail") or not SHARED.is_dir()
    if report.skipped and not expected and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(MAY_SKIP):
            report.outcome = "failed"
            report.longrepr = f"was skipped although ../shared is there: {reason}"
    return report


@pytest.fixture(scope="session")
def documented_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a phantom of one case, for the examples of the documentation."""
    from nnplug.dataset.phantom import write_phantom

    folder = tmp_path_factory.mktemp("phantom") / "Dataset900_Docs"
    return write_phantom(folder, cases=1, unseen=0, shape=(24, 28, 24)).folder


@pytest.fixture(scope="session")
def documented_model(documented_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for that phantom, with weights as a training begins with."""
    import torch
    from safetensors.torch import save_file

    from nnplug import Plugins
    from nnplug.dataset.dataset import Dataset
    from nnplug.models.bundle import Contents, pack
    from nnplug.preparation.make_plans import make_plans
    from nnplug.preparation.measure import measure
    from nnplug.preparation.plan_request import PlanRequest
    from nnplug.registry.base_entry import Kind
    from nnplug.registry.provenance import record
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.runtime.progress import Silent

    plugins, dataset = Plugins(), Dataset.open(documented_dataset)
    extractor = plugins.registry.create(Kind.EXTRACTOR, "nnunet")
    fingerprint = measure(dataset, extractor, executor=LocalExecutor(1), progress=Silent())
    options = {"planner": {"base_features": 4, "max_features": 8}}
    plans = make_plans(
        fingerprint, dataset.description, PlanRequest(options=options), dataset=dataset.name, plugins=plugins
    )
    choice = plans.configuration("3d_fullres").architecture
    torch.manual_seed(0)
    network = plugins.registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(
        channels=2, outputs=dataset.description.labels.outputs
    )
    entries = [plugins.registry.get(Kind.ARCHITECTURE, choice.name), plugins.registry.get(Kind.NORMALIZER, "zscore")]
    contents = Contents(
        plans=plans,
        description=dataset.description,
        configuration="3d_fullres",
        folds={"0": lambda path: save_file(network.state_dict(), path)},
        mirror_axes=(0, 1, 2),
        providers=record(entries),
    )
    target = tmp_path_factory.mktemp("bundle") / "model"
    pack(contents, target)
    return target


Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution that holds one plugin: a real dist-info and a module on a folder of sys.path.

    `install("nnplug-x", "x", body)` gives the dist-info's folder; `body` is the plugin's module, in which the classes
    of entries, Recipe and hookimpl are imported already. Installing again replaces module and version.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module installed again has the same name and second
    modules: list[str] = []

    def install(distribution: str, plugin: str, body: str, *, version: str = "1.0", needs: str = "nnplug-core") -> Path:
        stem = distribution.replace("-", "_")
        module = f"fake_{stem}"
        for old in site.glob(f"{stem}-*.dist-info"):
            shutil.rmtree(old)
        info = site / f"{stem}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nRequires-Dist: {needs}\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[nnplug]\n{plugin} = {module}\n")
        classes = ", ".join(one.__name__ for one in (Component, *COMPONENTS.values()))
        head = f"from nnplug import {classes}, Recipe, hookimpl\n"
        (site / f"{module}.py").write_text(head + textwrap.dedent(body))
        sys.modules.pop(module, None)
        modules.append(module)
        importlib.invalidate_caches()
        return info

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write a dataset in the raw layout: `write_dataset({"a": (image, label)})` gives its folder.

    Images are (C, z, y, x), labels (z, y, x), spacings (z, y, x) in mm; keywords replace keys of `dataset.json`.
    """
    import numpy as np
    import SimpleITK

    def write(cases, *, spacing=(1.0, 1.0, 1.0), name="Dataset001_A", file_ending=".nii.gz", **description):
        folder = tmp_path / name

        def save(array, *path):
            image = SimpleITK.GetImageFromArray(np.asarray(array))
            image.SetSpacing(spacing[::-1])
            file = folder.joinpath(*path)
            file.parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(image, str(file))

        for case, (image, label) in cases.items():
            for channel, volume in enumerate(image):
                save(volume, "imagesTr", f"{case}_{channel:04d}{file_ending}")
            save(label, "labelsTr", f"{case}{file_ending}")
        channels = len(next(iter(cases.values()))[0])
        defaults = {
            "channel_names": {str(c): "MRI" for c in range(channels)},
            "labels": {"background": 0, "a": 1, "b": 2},
            "numTraining": len(cases),
            "file_ending": file_ending,
        }
        (folder / "dataset.json").write_text(json.dumps({**defaults, **description}))
        return folder

    return write
