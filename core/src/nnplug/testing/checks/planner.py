"""The checks of `nnplug.contracts.Planner`."""

from __future__ import annotations

import json
from math import isfinite, prod
from typing import Any, cast

from nnplug.contracts import MemoryPlanner, PlanningContext
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Choice, Configuration, Plans
from nnplug.registry.components import Kind
from nnplug.registry.entries import PlannerComponent
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, imports_no_torch, require

VOLUMES = samples.fingerprint((1.5, 1.0, 1.0), (40, 56, 48))
SLICES = samples.fingerprint((999.0, 1.0, 1.0), (1, 72, 64))
LARGE = samples.fingerprint((1.0, 1.0, 1.0), (192, 224, 208))
COARSE = samples.fingerprint((3.0, 2.0, 2.0), (28, 40, 36))
BUDGETS = (2.0, 16.0)
"""Values in GB for the option memory_gb, which `nnplug plan --memory-gb` sets."""
KEPT = (Kind.EXTRACTOR, Kind.PLANNER, Kind.PREPROCESSOR, Kind.AUGMENTER, Kind.TRAINER, Kind.POSTPROCESSOR)


def _plans_volumes(subject: Subject) -> None:
    _checked(_plan(subject, VOLUMES), subject)


def _plans_slices(subject: Subject) -> None:
    plans = _plan(subject, SLICES)
    _checked(plans, subject)
    for name, configuration in plans.configurations.items():
        require(configuration.dimensions == 2, f"images of one slice got the configuration {name}, which is not 2D")


def _is_deterministic(subject: Subject) -> None:
    require(_plan(subject, VOLUMES) == _plan(subject, VOLUMES), "the same fingerprint gave different plans")


def _round_trips(subject: Subject) -> None:
    data = _plan(subject, VOLUMES).data()
    again = Plans.from_data(json.loads(json.dumps(data)), "the plans").data()
    require(again == data, "the plans came back from JSON with other values")


def _keeps_choices(subject: Subject) -> None:
    plans = _plan(subject, VOLUMES)
    for kind, choice in _choices(subject).items():
        require(plans.choices.get(kind) == choice, f"the {kind} {choice.name!r} was chosen, the plans do not say so")


def _follows_fingerprint(subject: Subject) -> None:
    fine, coarse = (_geometry(_plan(subject, fingerprint)) for fingerprint in (VOLUMES, COARSE))
    require(fine != coarse, "images of another size and spacing gave the same spacing, patch and median shape")


def _geometry(plans: Plans) -> dict[str, Any]:
    return {name: (c.spacing, c.patch_size, c.median_shape) for name, c in plans.configurations.items()}


def _keeps_budget(subject: Subject) -> None:
    """Raise unless less memory gives smaller batches or a network with fewer feature maps."""
    if "memory_gb" not in {name for name, _, _ in subject.entry.options()} or "memory_gb" in subject.options:
        raise NotChecked("it has no option memory_gb that the kit could set")
    small, large = (_elements(_plan(subject, LARGE, memory_gb=budget), subject) for budget in BUDGETS)
    words = f"with {BUDGETS[0]:g} GB instead of {BUDGETS[1]:g}"
    grown = [name for name in small if name in large and small[name] > large[name]]
    require(not grown, f"{words} the configuration {', '.join(grown)} takes more memory")
    require(small != large, f"{words} every configuration takes the same memory")


def _states_budget(subject: Subject) -> None:
    """Raise unless the memory target is a size in GB, and the one that the option memory_gb sets."""
    if not cast("PlannerComponent", subject.entry.component).plans_for_memory:
        raise NotChecked("its entry does not say plans_for_memory")
    target = cast("MemoryPlanner", subject.create()).memory_target()
    require(isfinite(target) and target > 0, f"memory_target gave {target!r}; expected GB above 0")
    if "memory_gb" in {name for name, _, _ in subject.entry.options()} - set(subject.options):
        for budget in BUDGETS:
            found = cast("MemoryPlanner", subject.create(memory_gb=budget)).memory_target()
            require(found == budget, f"with memory_gb={budget:g} memory_target gave {found!r}")


def _elements(plans: Plans, subject: Subject) -> dict[str, int]:
    """Return configuration -> number of elements in all feature maps of a batch."""
    elements = {}
    for name, configuration in plans.configurations.items():
        choice, patch = configuration.architecture, configuration.patch_size
        architecture = subject.registry.create(Kind.ARCHITECTURE, choice.name, choice.options)
        heads = samples.LABELS.outputs
        sample = architecture.feature_map_elements(patch, channels=samples.CHANNELS, heads=heads)
        elements[name] = configuration.batch_size * max(sample, prod(patch))
    return elements


def _plan(subject: Subject, fingerprint: Fingerprint, **options: Any) -> Plans:
    context = PlanningContext("Dataset001_Kit", "kit", "kit", _choices(subject), subject.registry)
    plans = subject.create(**options).plan(fingerprint, samples.DESCRIPTION, context)
    require(isinstance(plans, Plans), f"planning gave {type(plans).__name__} instead of nnplug.plans.plans.Plans")
    require(plans.configurations, "the plans have no configuration")
    assert isinstance(plans, Plans)
    return plans


def _choices(subject: Subject) -> dict[Kind, Choice]:
    """Return the choices of a recipe; the planner chooses the architecture and the normalizers."""
    names = {kind: subject.registry.names(kind)[:1] for kind in KEPT} | {Kind.PLANNER: [subject.entry.name]}
    return {kind: Choice(name=name) for kind, found in names.items() for name in found}


def _checked(plans: Plans, subject: Subject) -> None:
    forward, backward = plans.transpose_forward, plans.transpose_backward
    require(
        [forward[axis] for axis in backward] == [0, 1, 2],
        f"transpose_backward {backward} is not the inverse of transpose_forward {forward}",
    )
    for name, configuration in plans.configurations.items():
        _check_numbers(name, configuration)
        _check_components(name, configuration, subject)


def _check_numbers(name: str, configuration: Configuration) -> None:
    axes = configuration.dimensions
    require(axes in (2, 3), f"{name}: patch_size has {axes} axes")
    for field in ("spacing", "median_shape"):
        found = len(getattr(configuration, field))
        require(found == axes, f"{name}: {field} has {found} axes, patch_size {axes}")
    require(configuration.batch_size > 0, f"{name}: batch_size is {configuration.batch_size}")


def _check_components(name: str, configuration: Configuration, subject: Subject) -> None:
    """Raise unless all components of a configuration are installed and the network takes the patch."""
    found = len(configuration.normalization)
    require(found == samples.CHANNELS, f"{name}: {found} normalizations for {samples.CHANNELS} channels")
    for normalization in configuration.normalization:
        subject.registry.get(Kind.NORMALIZER, normalization.name)
    choice = configuration.architecture
    subject.registry.create(Kind.ARCHITECTURE, choice.name, choice.options).check_patch(configuration.patch_size)


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "plans 3D images": _plans_volumes,
    "plans 2D images": _plans_slices,
    "plans the same twice": _is_deterministic,
    "plans from the fingerprint": _follows_fingerprint,
    "keeps to its budget": _keeps_budget,
    "states its budget": _states_budget,
    "gives plans that JSON holds": _round_trips,
    "keeps what was chosen": _keeps_choices,
}
