"""The keyword arguments that several steps share: their names, types and defaults, which are those of the commands.

A step takes them as `**options: Unpack[..]`, so that type checkers and editors have their names and types; `keywords`
fills the defaults, and gives help and `inspect.signature` the whole list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, get_type_hints

from nnplug.errors import did_you_mean
from nnplug.registry.components import Kind
from nnplug.steps.ranges import check

Given = ParamSpec("Given")
Result = TypeVar("Result")


class JobKeywords(TypedDict, total=False):
    """The keywords of every step that works on cases.

    Attributes:
        executor: the executor of the jobs: "local" for this machine, or one of a plugin.
        options: options of components, "KIND.KEY" -> value, such as {"trainer.epochs": 100}, and fields of the plans,
            such as {"plan.batch_size": 2}.
    """

    executor: str
    options: Mapping[str, Any]


class WorkKeywords(JobKeywords, total=False):
    """The keywords of steps that work on many cases at once.

    Attributes:
        workers: the number of cases or samples that are processed at once; None for one per core.
    """

    workers: int | None


class DeviceKeywords(JobKeywords, total=False):
    """The keywords of every step that computes with networks.

    Attributes:
        device: the device of the networks: "auto", "cpu", "cuda" or "mps".
        gpu_memory_gb: the GB (2^30 bytes) of a GPU that this process may allocate; None for all that is free.
    """

    device: str
    gpu_memory_gb: float | None


class PlanKeywords(TypedDict, total=False):
    """The keywords of planning. None leaves the choice to the recipe, and without a recipe to the default one.

    Attributes:
        recipe: a named choice of all components.
        extractor: the name of an extractor; the other kinds in the same way.
        planner: the name of a planner.
        preprocessor: the name of a preprocessor.
        resampler: the name of a resampler.
        architecture: the name of an architecture.
        augmenter: the name of an augmenter.
        sampler: the name of a sampler.
        loss: the name of a loss.
        trainer: the name of a trainer.
        inference: the name of an inference.
        postprocessor: the name of a postprocessor.
        memory_gb: the GPU memory to plan for, in GB; None for the planner's own.
        name: the name of the plans; None for that of the recipe, with the default recipe that of the planner.
    """

    recipe: str | None
    extractor: str | None
    planner: str | None
    preprocessor: str | None
    resampler: str | None
    architecture: str | None
    augmenter: str | None
    sampler: str | None
    loss: str | None
    trainer: str | None
    inference: str | None
    postprocessor: str | None
    memory_gb: float | None
    name: str | None


class PlanningKeywords(PlanKeywords, total=False):
    """The keywords of planning, with the options of components.

    Attributes:
        options: as in `JobKeywords`.
    """

    options: Mapping[str, Any]


class TrainKeywords(WorkKeywords, DeviceKeywords, total=False):
    """The keywords of every training.

    Attributes:
        devices: the number of devices that train one fold together.
        seed: the seed of every random draw.
        mirroring: whether validation averages over mirrored images; without, it is faster.
        fresh: whether to train again from the start. In a run only what was begun with other values or files.
        trackers: the names of trackers that each training is sent to.
    """

    devices: int
    seed: int
    mirroring: bool
    fresh: bool
    trackers: Sequence[str]


class RunKeywords(PlanKeywords, TrainKeywords, total=False):
    """The keywords of a run: those of planning and of training."""


class FoldKeywords(TrainKeywords, total=False):
    """The keywords of the training of planned folds.

    Attributes:
        loss: a loss, instead of that of the plans or the trainer.
        sampler: a sampler, instead of that of the plans or the trainer.
        pretrained: a run, bundle or model of a hub: its weights are the initial ones, except the segmentation heads.
        validate_only: whether to train nothing and score the validation cases.
        weights: the weights to validate; results of "best" are in validation_best.
        save_logits: whether to keep CASE.logits.zip of the validation cases, for a selection.
    """

    loss: str | None
    sampler: str | None
    pretrained: str | Path | None
    validate_only: bool
    weights: Literal["final", "best"]
    save_logits: bool


class EvaluateKeywords(TypedDict, total=False):
    """The keywords of a scoring.

    Attributes:
        partial: whether references without a prediction are left out; otherwise they are an error.
        replace: whether to replace a file that nnplug did not write.
        workers: the number of cases that are scored at once; None for one per core.
        options: options of metrics, such as {"metric.tolerance": 2}.
    """

    partial: bool
    replace: bool
    workers: int | None
    options: Mapping[str, Any]


class SelectKeywords(WorkKeywords, total=False):
    """The keywords of a selection.

    Attributes:
        device: the device of the networks: "auto", "cpu", "cuda" or "mps".
        weights: the weights of each training.
        metric: the figure that decides, "METRIC" or "METRIC.FIGURE"; None for the mean foreground Dice.
        ensembles: whether ensembles of two are compared, too.
        keep_logits: whether to keep probabilities that are computed again.
        output: the bundle, a folder or a file that ends in .zip; None for model/selected in the workspace.
        replace: whether to replace files that nnplug did not write.
    """

    device: str
    weights: Literal["final", "best"]
    metric: str | None
    ensembles: bool
    keep_logits: bool
    output: str | Path | None
    replace: bool


class PredictKeywords(DeviceKeywords, total=False):
    """The keywords of a prediction.

    Attributes:
        folds: the folds of each model; empty for all.
        weights: the weights to read from a run.
        mirroring: whether to average over mirrored images; without, it is faster and a little worse.
        inference: the name of an inference, instead of the model's.
        step_size: the distance of neighbouring windows as a share of the patch; None for the model's, usually 0.5.
        reader: the name of the reader of the images; None for that of the training, else by the file ending.
        series: the ids of the image series to predict, of folders and archives with several.
        force: whether to predict images whose spacing is far from that of the training, too.
        output_types: the names of writers of further files with each label map.
        classes: the classes or regions to keep; the others become background. Empty for all.
        statistics: whether to write statistics.json and .csv.
        preview: whether to write previews/CASE.png.
        report: whether to write report.json.
        save_probabilities: whether to write CASE.npz with probabilities (C, z, y, x), float32.
        save_logits: whether to write CASE.logits.zip, a small file for ensembles.
        part: the number of this call among `parts`: it predicts the cases part, part + parts, part + 2 parts ..
        parts: the number of calls that share the cases.
        resume: whether to skip cases that an earlier call finished with the same inputs (`--continue`).
        replace: whether to replace files that nnplug did not write.
    """

    folds: Sequence[int | str]
    weights: Literal["final", "best"]
    mirroring: bool
    inference: str | None
    step_size: float | None
    reader: str | None
    series: Sequence[str]
    force: bool
    output_types: Sequence[str]
    classes: Sequence[str]
    statistics: bool
    preview: bool
    report: bool
    save_probabilities: bool
    save_logits: bool
    part: int
    parts: int
    resume: bool
    replace: bool


PLAN_KINDS = tuple(kind for kind in Kind if str(kind) in PlanKeywords.__annotations__)
"""The kinds that planning takes a name of, in the order of `Kind`."""

DEFAULTS: Mapping[str, Any] = {
    "executor": "local",
    "workers": None,
    "options": {},
    "device": "auto",
    "gpu_memory_gb": None,
    "recipe": None,
    **dict.fromkeys(map(str, PLAN_KINDS)),
    "memory_gb": None,
    "name": None,
    "devices": 1,
    "seed": 0,
    "mirroring": True,
    "fresh": False,
    "trackers": (),
    "pretrained": None,
    "validate_only": False,
    "weights": "final",
    "save_logits": False,
    "partial": False,
    "metric": None,
    "ensembles": True,
    "keep_logits": False,
    "output": None,
    "replace": False,
    "folds": (),
    "step_size": None,
    "reader": None,
    "series": (),
    "force": False,
    "output_types": (),
    "classes": (),
    "statistics": False,
    "preview": False,
    "report": False,
    "save_probabilities": False,
    "part": 0,
    "parts": 1,
    "resume": False,
}
"""The default of each keyword, in every step that takes it: that of the command's option."""


def keywords(group: type) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Return a decorator of a step with `**options`: it fills the defaults and refuses unknown names.

    Args:
        group: the typed dictionary of the options.
    """
    types = get_type_hints(group)
    known = {name: DEFAULTS[name] for name in types}

    def decorate(step: Callable[Given, Result]) -> Callable[Given, Result]:
        own = [one for one in signature(step).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        more = [Parameter(n, Parameter.KEYWORD_ONLY, default=d, annotation=types[n]) for n, d in known.items()]
        names = {one.name for one in own} | known.keys()

        @wraps(step)
        def called(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            for name in kwargs.keys() - names:
                hint = did_you_mean(name, names)
                raise TypeError(f"{step.__name__}() has no argument {name!r}. {hint}".rstrip())
            check(kwargs)
            return step(*args, **{**known, **kwargs})

        called.__signature__ = signature(step).replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return called

    return decorate
