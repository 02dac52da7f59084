"""The results of `nnUNetv2_find_best_configuration`: the winner's predictions, its rule and its commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug_nnunetv2_commands.scoring import rewrite_as_nnunet, write_rule
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.selection.request import Selection, SelectRequest

INFORMATION, INSTRUCTIONS = "inference_information.json", "inference_instructions.txt"


def write_results(request: SelectRequest, selection: Selection) -> Path:
    """Write the winner's predictions to nnU-Net's folder, and two files that describe how to predict with it.

    Label maps that are in the folder stay if the request keeps existing ones; the rule is always written.

    Returns:
        the winner's `postprocessing.pkl`, which holds JSON.
    """
    from nnplug.runtime.files import write_text
    from nnplug.runtime.json_files import write_json

    best = next(entry for entry in selection.entries if entry.name == selection.best)
    folder = _place(request, best.members)
    if not request.keep_existing:
        shutil.rmtree(folder, ignore_errors=True)
    _copy_results(Path(best.folder), folder, ending=request.dataset.description.file_ending)
    write_rule(folder, selection.rule.rule)
    results = _results(request)
    rule = folder / "postprocessing.pkl"
    write_json(results / INFORMATION, _information(request, selection, rule))
    write_text(results / INSTRUCTIONS, "\n".join(instructions(request, selection, rule)) + "\n")
    return rule


def _copy_results(source: Path, target: Path, *, ending: str) -> None:
    """Copy a folder of results, but not label maps that the target has; if it has all, its scores stay too."""
    labels = {path.name for path in source.glob(f"*{ending}")}
    stay = {name for name in labels if (target / name).is_file()}
    if stay == labels and (target / "summary.json").is_file():
        stay.add("summary.json")

    def kept(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder) == source and name in stay]

    shutil.copytree(source, target, ignore=kept, dirs_exist_ok=True)
    if "summary.json" not in stay:
        rewrite_as_nnunet(target / "summary.json")


def instructions(request: SelectRequest, selection: Selection, rule: Path) -> Iterator[str]:
    """Yield the commands that predict with the winner: nnU-Net's commands, and the equivalent one of nnplug."""
    best = next(entry for entry in selection.entries if entry.name == selection.best)
    folds, dataset = " ".join(selection.folds), selection.dataset
    outputs = [f"OUTPUT_{name.replace(':', '_')}" for name in best.members]
    keep = " --save_probabilities" if len(best.members) > 1 else ""
    for output, (plans, name) in zip(outputs, _members(request, best.members), strict=True):
        model = f"-d {dataset} -c {name} -tr {_workspace(request).trainer} -p {plans} -f {folds}"
        yield f"nnUNetv2_predict -i INPUT -o {output} {model}{keep}"
    if len(outputs) > 1:
        yield f"nnUNetv2_ensemble -i {' '.join(outputs)} -o OUTPUT"
    source = "OUTPUT" if len(outputs) > 1 else outputs[0]
    yield f"nnUNetv2_apply_postprocessing -i {source} -o OUTPUT_POSTPROCESSED -pp_pkl_file {rule}"
    yield "or, all of it in one command:"
    yield f"nnplug predict -i INPUT -o OUTPUT_POSTPROCESSED -m {selection.bundle}"


def _information(request: SelectRequest, selection: Selection, rule: Path) -> dict[str, Any]:
    best = next(entry for entry in selection.entries if entry.name == selection.best)
    trainer = _workspace(request).trainer
    return {
        "folds": [int(fold) for fold in selection.folds],
        "dataset_name_or_id": selection.dataset,
        "ensembling_allowed": request.ensembles,
        "all_results": {entry.name: entry.dice for entry in selection.entries},
        "best_model_or_ensemble": {
            "result_on_crossval_pre_pp": best.dice,
            "result_on_crossval_post_pp": selection.dice_postprocessed,
            "postprocessing_file": str(rule),
            "some_plans_file": str(rule.with_name("plans.json")),
            "selected_model_or_models": [
                {"configuration": name, "trainer": trainer, "plans_identifier": plans}
                for plans, name in _members(request, best.members)
            ],
        },
    }


def _place(request: SelectRequest, members: tuple[str, ...]) -> Path:
    workspace, folds = _workspace(request), "_".join(map(str, request.folds))
    models = [workspace.model_folder(plans, name) for plans, name in _members(request, members)]
    if len(models) == 1:
        return models[0] / f"crossval_results_folds_{folds}"
    names = "___".join(model.name for model in models)
    return _results(request) / "ensembles" / f"ensemble___{names}___{folds}"


def _members(request: SelectRequest, members: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return plans and configuration of each member; a member's name lacks the plans if all members share them."""
    parts = [name.rpartition(":") for name in members]
    return [(plans or request.plans[0], name) for plans, _, name in parts]


def _workspace(request: SelectRequest) -> NnunetWorkspace:
    assert isinstance(request.workspace, NnunetWorkspace), "the command makes the request"
    return request.workspace


def _results(request: SelectRequest) -> Path:
    workspace = _workspace(request)
    assert workspace.results is not None, "the command makes the request"
    return workspace.results / workspace.dataset
