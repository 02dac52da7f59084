"""Scores and postprocessing of folders, with nnU-Net's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.registry.components import Kind
from nnplug_nnunetv2_commands.command import Call, Options

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.evaluation.postprocess import FittedRule
    from nnplug.evaluation.summary import Summary

POSTPROCESSOR = "largest-component"
RULES = ("postprocessing.pkl", "postprocessing.json")
"""Two files with the same JSON: nnU-Net's commands take the first, people read the second."""

_FUNCTIONS, _ARGUMENTS = "postprocessing_fns", "postprocessing_kwargs"
_EARLIER = ("functions", "arguments")
"""The keys of earlier versions of nnplug."""
_STEP = "remove_all_but_largest_component_from_segmentation"


def describe(dataset_json: Path | None, plans_json: Path | None, folder: Path) -> DatasetDescription:
    """Return the `dataset.json` that a flag names or that lies in a folder.

    Raises:
        NnplugError: a file is missing.
        InvalidFile: the plans name a label manager other than nnU-Net's.
    """
    from nnplug.dataset.description import DatasetDescription
    from nnplug.runtime.json_files import read_json

    plans = plans_json or folder / "plans.json"
    manager = read_json(plans).get("label_manager", "LabelManager")
    if manager != "LabelManager":
        raise InvalidFile(
            f"{plans}: 'label_manager' is {manager!r}; nnplug reads labels as nnU-Net's LabelManager does"
        )
    return DatasetDescription.read(dataset_json or folder / "dataset.json")


def score_as_asked(
    call: Call, options: Options, description: DatasetDescription, *, inputs: Sequence[Path] = ()
) -> None:
    """Score the folders that the flags of `flags.scoring` name; raises as `score` does."""
    score(
        call,
        options.gt_folder,
        options.pred_folder,
        description,
        output=options.o or options.pred_folder / "summary.json",
        workers=options.np,
        partial=options.chill,
        inputs=inputs,
    )


def score(
    call: Call,
    references: Path,
    predictions: Path,
    description: DatasetDescription,
    *,
    output: Path,
    workers: int | None,
    partial: bool,
    inputs: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write the summary of a folder and return it.

    Raises:
        Problems: `output` is a label map, one of `inputs` or the `dataset.json` of a dataset; or cases do not match, or
            cannot be compared: the summary of the others is written then.
    """
    from nnplug.dataset.sidecars import images_in
    from nnplug.evaluation.evaluate import evaluate_folder
    from nnplug.runtime.json_files import write_json
    from nnplug.runtime.outputs import Outputs

    readers = description.readers(call.readers, str(predictions))
    outputs = Outputs((output,), (*images_in(references, readers), *images_in(predictions, readers), *inputs))
    outputs.check(replace=True)
    evaluation = evaluate_folder(
        references,
        predictions,
        description,
        executor=call.threads(workers),
        progress=call.progress,
        partial=partial,
        readers=readers,
    )
    outputs.claim(replace=True)
    write_json(output, evaluation.summary)
    if evaluation.failures:
        raise Problems(evaluation.failures)
    return evaluation.summary


def rewrite_as_nnunet(path: Path) -> Summary:
    """Write a `summary.json` of nnplug again as nnU-Net's programs expect it, with NaN for null; return its content.

    The mean over classes is NaN if one of them has no case, as nnU-Net 2.8.1 computes it.
    """
    from nnplug.evaluation.summary import read_summary
    from nnplug.ops.metrics import mean_metrics
    from nnplug.runtime.json_files import write_json

    summary = read_summary(path)
    mean = mean_metrics(list(summary["mean"].values()), skip_nan=False)
    summary = {**summary, "foreground_mean": mean}
    write_json(path, summary)
    return summary


def write_rule(folder: Path, rule: Mapping[str, Any]) -> None:
    """Write a rule of `largest-component` in nnU-Net's layout, in both files of `RULES`."""
    from nnplug.runtime.json_files import write_json

    steps = [step if len(step) > 1 else step[0] for step in rule["keep_largest"]]
    arguments = [{"labels_or_regions": step} for step in steps]
    data = {_FUNCTIONS: [_STEP] * len(steps), _ARGUMENTS: arguments}
    for name in RULES:
        write_json(folder / name, data)


def read_rule(path: Path, description: DatasetDescription, call: Call) -> FittedRule:
    """Read a rule that `write_rule` or nnU-Net wrote.

    Raises:
        NnplugError: the file does not exist.
        InvalidFile: the file is a pickle, or names a step that nnplug lacks.
    """
    from nnplug.evaluation.postprocess import FittedRule, RuleRecord
    from nnplug.registry.provenance import Provider

    record = RuleRecord(
        provider=Provider.of(call.plugins.registry.get(Kind.POSTPROCESSOR, POSTPROCESSOR)),
        labels=description.raw["labels"],
        regions_class_order=description.raw.get("regions_class_order"),
        rule={"keep_largest": _steps(path)},
    )
    return FittedRule.load(record.data(), call.plugins, where=str(path), progress=call.progress)


def is_pickle(path: Path) -> bool:
    """Return whether a file is a pickle rather than JSON, without loading it."""
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _steps(path: Path) -> list[list[int]]:
    from nnplug.runtime.json_files import read_json

    if not path.is_file():
        raise NnplugError(f"{path}: no such file; nnUNetv2_determine_postprocessing writes it")
    if is_pickle(path):
        raise InvalidFile(
            f"{path}: is a pickle, which could run code and is not read. Give the postprocessing.json beside it, which "
            "has the same rule, or run nnUNetv2_determine_postprocessing again."
        )
    data = read_json(path)
    keys = (_FUNCTIONS, _ARGUMENTS) if isinstance(data, dict) and _FUNCTIONS in data else _EARLIER
    names, arguments = (data.get(key) if isinstance(data, dict) else None for key in keys)
    if not isinstance(names, list) or not isinstance(arguments, list) or len(names) != len(arguments):
        raise InvalidFile(f"{path}: no postprocessing of nnU-Net ('{_FUNCTIONS}' with '{_ARGUMENTS}' are missing)")
    if other := [name for name in names if name != _STEP]:
        raise InvalidFile(f"{path}: has the step {other[0]!r}; nnplug has {_STEP}")
    return [_region(one, path) for one in arguments]


def _region(arguments: Mapping[str, Any], path: Path) -> list[int]:
    labels = arguments.get("labels_or_regions")
    values: Sequence[Any] = labels if isinstance(labels, list) else [labels]
    if not all(isinstance(value, int) for value in values) or arguments.get("background_label", 0) != 0:
        raise InvalidFile(f"{path}: has {dict(arguments)!r}; expected labels_or_regions, numbers, on background 0")
    return list(values)
