"""Measure the fingerprint of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnplug.contracts import Extractor
from nnplug.contracts.attributed.executor import AttributedExecutor
from nnplug.contracts.attributed.json_check import check_json
from nnplug.contracts.kinds import EXTRACTOR
from nnplug.dataset.dataset import Dataset
from nnplug.errors import InvalidPlugin
from nnplug.plans.fingerprint import Fingerprint
from nnplug.preparation.finished_steps import FinishedStep
from nnplug.registry.attribution import attributed, expect, name_of
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug.workspace.layout import Workspace


def measure_into(
    workspace: Workspace, dataset: Dataset, extractor: str, options: Mapping[str, Any] | None, runtime: Runtime
) -> Fingerprint:
    """Measure a dataset into its workspace, and note that this step is finished.

    A file with the same fingerprint is left as it is, so that plans made from it stay newer.

    Args:
        workspace: the dataset's folder in the workspace.
        dataset: the dataset.
        extractor: the name of the extractor.
        options: option -> value of the extractor.
        runtime: plugins, executor and progress.

    Raises:
        Problems, NnplugError, InvalidPlugin: as in `measure`.
        UnknownComponent, AmbiguousComponent, InvalidOptions: the extractor or an option of it does not exist.
    """
    component = runtime.registry.create(EXTRACTOR, extractor, options)
    found = measure(dataset, component, executor=runtime.executor, progress=runtime.progress)
    if not found.is_in(workspace.fingerprint):
        found.write(workspace.fingerprint)
    FinishedStep.of_measurement(dataset, workspace, extractor, options).keep()
    return found


def measure(dataset: Dataset, extractor: Extractor, *, executor: Executor, progress: Progress) -> Fingerprint:
    """Return the fingerprint of all training cases. Nothing is written.

    Raises:
        Problems: some cases cannot be used; a line each.
        NnplugError: the dataset has no training case, or none with a foreground voxel.
        InvalidPlugin: the extractor returned a fingerprint that does not match the dataset.
    """
    with attributed(extractor):
        given = extractor.extract(dataset, executor=AttributedExecutor(executor, extractor), progress=progress)
    fingerprint = expect(extractor, given, Fingerprint)
    measured, cases = len(fingerprint.spacings), len(dataset.training_cases())
    if measured != cases or len(fingerprint.shapes_after_crop) != cases:
        raise InvalidPlugin(
            f"{name_of(extractor)} measured {measured} of {cases} cases of {dataset.folder}",
            Action.CHOOSE_EXTRACTOR(),
        )
    if fingerprint.extra is not None:
        check_json(extractor, fingerprint.extra, "an extra")
    return fingerprint
