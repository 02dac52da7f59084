"""Verify, measure and preprocess a dataset, and divide it into folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans
from nnplug.preparation.measure import measure_into
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.preparation.verify import Report
from nnplug.preparation.verify import verify as verify_dataset
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.recipes import component_name
from nnplug.registry.runtime import Runtime
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.given import Names, names, runtime_options
from nnplug.steps.keywords import WorkKeywords, keywords
from nnplug.steps.session import ProgressArgument, open_place, session
from nnplug.workspace.case_store import CaseStore


@keywords(WorkKeywords)
def verify(
    dataset: str | Path,
    *,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[WorkKeywords],
) -> Report:
    """Return every problem of a dataset at once; this is `nnplug verify`.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.WorkKeywords`.

    Returns:
        The report: `problems` must be corrected before training, `warnings` and `notices` need not.

    Raises:
        InvalidFile: `dataset.json` is missing or has faults.
    """
    with session(runtime_options(options), progress, plugins) as runtime:
        opened = open_place(dataset, None, runtime).dataset
        return verify_dataset(opened, executor=runtime.executor, progress=runtime.progress)


@dataclass(frozen=True)
class Measured:
    """A fingerprint and its file.

    Attributes:
        file: WORKSPACE/DATASET/fingerprint.json.
        fingerprint: the shapes (z, y, x) in voxels, spacings in mm and intensities of the dataset.
    """

    file: Path
    fingerprint: Fingerprint


@keywords(WorkKeywords)
def fingerprint(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    extractor: str | None = None,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[WorkKeywords],
) -> Measured:
    """Measure the shapes, spacings and intensities of a dataset, and write them; this is `nnplug fingerprint`.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        extractor: the name of the extractor; None for the default recipe's.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.WorkKeywords`.

    Raises:
        InvalidFile: an image cannot be read.
        UnknownComponent, AmbiguousComponent, InvalidOptions: the extractor or an option of it does not exist.
    """
    machine = runtime_options(options)
    with session(machine, progress, plugins) as runtime:
        place = open_place(dataset, workspace, runtime)
        return measure_in_workspace(place, extractor, machine.overrides.get(Kind.EXTRACTOR, {}), runtime)


def measure_in_workspace(
    place: DatasetInWorkspace, extractor: str | None, options: Mapping[str, Any], runtime: Runtime
) -> Measured:
    """Measure a dataset into its workspace.

    Args:
        place: dataset and workspace.
        extractor: the name of the extractor; None for the default recipe's.
        options: option -> value of the extractor.
        runtime: plugins, executor and progress.

    Raises:
        InvalidFile, UnknownComponent, AmbiguousComponent, InvalidOptions: as in `fingerprint`.
    """
    name = extractor or component_name(runtime.registry, Kind.EXTRACTOR)
    found = measure_into(place.workspace, place.dataset, name, options, runtime)
    return Measured(place.workspace.fingerprint, found)


@dataclass(frozen=True)
class Preprocessed:
    """The preprocessed training cases.

    Attributes:
        plans: the plans.
        stores: configuration -> its cases on disk; `CaseStore.folder` is their folder.
    """

    plans: Plans
    stores: Mapping[str, CaseStore]


@keywords(WorkKeywords)
def preprocess(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    configurations: Names = (),
    name: str | None = None,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[WorkKeywords],
) -> Preprocessed:
    """Bring the training cases of a dataset to the grid and intensities of its plans; this is `nnplug preprocess`.

    Cases that are stored and have not changed are skipped.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        configurations: one name or several; empty for all of the plans.
        name: the name of the plans; None for those of the default recipe.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.WorkKeywords`.

    Raises:
        NnplugError: there are no such plans or no such configuration.
        Problems: cases cannot be preprocessed; one line each.
    """
    with session(runtime_options(options), progress, plugins) as runtime:
        return preprocess_in_workspace(open_place(dataset, workspace, runtime), names(configurations), name, runtime)


def preprocess_in_workspace(
    place: DatasetInWorkspace, configurations: tuple[str, ...], name: str | None, runtime: Runtime
) -> Preprocessed:
    """Preprocess the training cases of a dataset into its workspace.

    Args:
        place: dataset and workspace.
        configurations: the configurations; empty for all of the plans.
        name: the name of the plans; None for those of the default recipe.
        runtime: plugins, executor and progress.

    Raises:
        NnplugError, Problems: as in `preprocess`.
    """
    plans = place.plans(name, runtime.registry)
    folders = {
        one: place.workspace.preprocessed(plans.name, plans.store_name(one))
        for one in configurations or plans.configurations
    }
    return Preprocessed(
        plans, {one: preprocess_dataset(place.dataset, plans, one, folders[one], runtime) for one in folders}
    )
