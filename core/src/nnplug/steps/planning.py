"""Plan a dataset from its fingerprint, or take the plans of another dataset."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, InvalidOptions, NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.overrides import from_values
from nnplug.plans.plans import Plans, read_plans
from nnplug.preparation.make_plans import make_plans, transfer_plans
from nnplug.preparation.planned import in_form_of
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.steps.choices import PlanChoices, RuntimeOptions
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.given import Names, names, optional_path, plan_choices
from nnplug.steps.keywords import PlanningKeywords, keywords
from nnplug.steps.requests import Overrides, plan_request
from nnplug.steps.session import ProgressArgument, open_place, session


@dataclass(frozen=True)
class Planned:
    """Plans and their file.

    Attributes:
        file: WORKSPACE/DATASET/plans/NAME.json.
        plans: the plans.
    """

    file: Path
    plans: Plans


@keywords(PlanningKeywords)
def plan(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    configurations: Names = (),
    source: str | Path | None = None,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[PlanningKeywords],
) -> Planned:
    """Decide the configurations of a dataset from its fingerprint in the workspace, and write the plans.

    This is `nnplug plan`.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        configurations: the configurations that get the options "plan.KEY"; empty for all that have such a field.
        source: plans of another dataset to take over for its pretrained weights: a plans file, run or bundle
            (`--from`); only `name` and `options` can be given with it.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.PlanningKeywords`.

    Raises:
        NnplugError: the dataset is not measured yet, or no plan is possible.
        InvalidOptions: an option is unknown or its value is invalid.
        UnknownComponent, AmbiguousComponent: no distribution offers a name, or several do.
    """
    choices, overrides = plan_choices(options), from_values(options["options"])
    with session(RuntimeOptions(), progress, plugins) as runtime:
        place = open_place(dataset, workspace, runtime)
        changes = PlanChanges(choices, overrides, names(configurations))
        measured = fingerprint_of(place) if source is None else None
        origin = PlanningSource(place.dataset.name, place.dataset.description, measured, optional_path(source))
        plans = make_or_transfer(origin, changes, runtime)
        path = place.workspace.plans(plans.name)
        return Planned(path, write_plans(plans, path, runtime))


@dataclass(frozen=True)
class PlanningSource:
    """The dataset to plan, and the file from which its plans are made.

    Attributes:
        dataset: the dataset's name.
        description: the content of its `dataset.json`.
        fingerprint: the fingerprint file; None if the plans are another dataset's.
        source: a plans file, run or bundle of another dataset; None to plan from the fingerprint.
    """

    dataset: str
    description: DatasetDescription
    fingerprint: Path | None
    source: Path | None = None


@dataclass(frozen=True)
class PlanChanges:
    """The choices for planning, the options of components, and the configurations that get the "plan" options."""

    choices: PlanChoices
    overrides: Overrides
    configurations: tuple[str, ...] = ()


def fingerprint_of(place: DatasetInWorkspace) -> Path:
    """Return the file of the dataset's fingerprint in the workspace.

    Raises:
        NnplugError: the dataset is not measured yet.
    """
    path = place.workspace.fingerprint
    if not path.exists():
        remedy = Action.MEASURE_FIRST(dataset=place.dataset.folder, workspace=place.workspace.root)
        raise NnplugError(f"{path}: no such fingerprint", remedy)
    return path


def make_or_transfer(origin: PlanningSource, changes: PlanChanges, runtime: Runtime) -> Plans:
    """Return the plans from a fingerprint, or those of another dataset.

    Raises:
        InvalidOptions: components are chosen for plans of another dataset, or as in `make_plans`.
        NnplugError: as in `make_plans` and `transfer_plans`.
    """
    if origin.source is not None:
        return _transferred(origin, origin.source, changes, runtime)
    assert origin.fingerprint is not None, "only plans of another dataset need none"
    return make_plans(
        Fingerprint.read(origin.fingerprint),
        origin.description,
        plan_request(changes.choices, changes.overrides, changes.configurations),
        dataset=origin.dataset,
        plugins=runtime.plugins,
        progress=runtime.progress,
    )


def _transferred(origin: PlanningSource, source: Path, changes: PlanChanges, runtime: Runtime) -> Plans:
    from nnplug.models.open import find_plans

    choices = changes.choices
    if choices.recipe or choices.components or choices.memory_gb:
        raise InvalidOptions(f"{source}: everything is taken from these plans", Action.KEEP_OTHER_PLANS())
    plans = find_plans(source)
    runtime.progress.notice(f"spacing, patch, network and normalisation are those of {plans.dataset} ({source})")
    return transfer_plans(
        plans,
        origin.description,
        dataset=origin.dataset,
        plugins=runtime.plugins,
        name=choices.name,
        options=changes.overrides,
        configurations=changes.configurations,
    )


def write_plans(plans: Plans, path: Path, runtime: Runtime) -> Plans:
    """Write plans and return them; where an older nnplug decided the same they are equal to the plans at `path`."""
    with suppress(InvalidFile):
        plans = in_form_of(plans, read_plans(path), runtime.registry)
    plans.write(path)
    return plans
