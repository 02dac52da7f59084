"""Ask nnunetv2 which of three configurations is best: ORACLE/bin/python bench/oracle/selection.py OUT.json.

OUT.json belongs in tests/core/selection/golden/selection.json. Predictions are drawn from a seed; decisions are stored.
"""

from __future__ import annotations

import json
import multiprocessing.dummy
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres")
FOLDS = {0: ("a", "b"), 1: ("c", "d"), 2: ("e",)}
SHAPE = (5, 9, 8)
NOISE = {  # noise of each configuration's logits, and how many islands its predictions have
    "pair": ((1.9, 2.0, 6.0), 0),
    "first": ((0.3, 4.0, 5.0), 0),
    "middle-islands": ((4.0, 0.3, 5.0), 3),
    "tie": ((1.0, 1.0, 1.0), 1),
    "regions": ((2.0, 1.9, 2.1), 2),
}


def labels_of(name: str) -> dict[str, Any]:
    """Return the labels of `dataset.json`."""
    if name == "regions":
        return {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
    return {"labels": {"background": 0, "a": 1, "b": 2}}


def reference(case: str) -> np.ndarray:
    """Return two boxes; the second lies in the first and is absent from case "e"."""
    shift = "abcde".index(case) % 3
    label = np.zeros(SHAPE, np.uint8)
    label[1:4, 1 + shift : 6 + shift, 1:6] = 1
    if case != "e":
        label[2:4, 3:5, 2 + shift : 5 + shift] = 2
    return label


def probabilities(name: str, configuration: str, case: str) -> np.ndarray:
    """Return probabilities of a validation case (3 or 2, z, y, x), float32; members of "tie" are all the same."""
    noises, islands = NOISE[name]
    member = 0 if name == "tie" else CONFIGURATIONS.index(configuration)
    rng = np.random.default_rng([list(NOISE).index(name), member, "abcde".index(case)])
    label = reference(case)
    for z, y, x in rng.integers(0, SHAPE, (islands, 3)):
        label[z, y, x] = 1
    regions = "regions_class_order" in labels_of(name)
    wanted = [label > 0, label == 2] if regions else [label == value for value in range(3)]
    logits = 3.0 * np.stack(wanted) - (1.5 if regions else 0) + rng.normal(0, noises[member], (len(wanted), *SHAPE))
    shown = 1 / (1 + np.exp(-logits)) if regions else np.exp(logits) / np.exp(logits).sum(0)
    return shown.astype(np.float32)


def label_map(name: str, shown: np.ndarray) -> np.ndarray:
    """The label map of single predictions."""
    if "regions_class_order" in labels_of(name):
        return np.where(shown[1] > 0.5, 2, np.where(shown[0] > 0.5, 1, 0)).astype(np.uint8)
    return shown.argmax(0).astype(np.uint8)


def write_results(root: Path, name: str) -> None:
    """A dataset with trained configurations as nnunetv2 leaves them."""
    import SimpleITK
    from batchgenerators.utilities.file_and_folder_operations import save_pickle

    description = {"channel_names": {"0": "MRI"}, "numTraining": 5, "file_ending": ".nii.gz", **labels_of(name)}
    plans = {
        "dataset_name": "Dataset001_A",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {configuration: {"architecture": {}} for configuration in CONFIGURATIONS},
    }
    stuff = {"spacing": (1.0,) * 3, "origin": (0.0,) * 3, "direction": tuple(np.eye(3).ravel().tolist())}

    def write(folder: Path, case: str, array: np.ndarray) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(folder / f"{case}.nii.gz"))

    prepared = root / "preprocessed" / "Dataset001_A"
    (root / "raw").mkdir()
    for fold, cases in FOLDS.items():
        for case in cases:
            write(prepared / "gt_segmentations", case, reference(case))
            for configuration in CONFIGURATIONS:
                model = root / "results" / "Dataset001_A" / f"nnUNetTrainer__nnUNetPlans__{configuration}"
                folder = model / f"fold_{fold}" / "validation"
                shown = probabilities(name, configuration, case)
                write(folder, case, label_map(name, shown))
                np.savez_compressed(folder / f"{case}.npz", probabilities=shown)
                save_pickle({"sitk_stuff": stuff, "spacing": [1.0] * 3}, str(folder / f"{case}.pkl"))
                (model / "plans.json").write_text(json.dumps(plans))
                (model / "dataset.json").write_text(json.dumps(description))
    (prepared / "nnUNetPlans.json").write_text(json.dumps(plans))
    (prepared / "dataset.json").write_text(json.dumps(description))


def ask() -> dict[str, Any]:
    """nnunetv2's comparison, decision and postprocessing."""
    context = multiprocessing.get_context  # nnunetv2 starts processes anew for every step, which takes minutes
    multiprocessing.get_context = lambda method=None: multiprocessing.dummy if method == "spawn" else context(method)
    from nnunetv2.evaluation.find_best_configuration import find_best_configuration

    models = [{"plans": "nnUNetPlans", "configuration": c, "trainer": "nnUNetTrainer"} for c in CONFIGURATIONS]
    found = find_best_configuration("Dataset001_A", models, num_processes=1, folds=tuple(FOLDS))
    best = found["best_model_or_ensemble"]
    rule = json.loads(Path(best["postprocessing_file"]).with_suffix(".json").read_text())
    return {
        "scores": list(found["all_results"].values()),
        "best": [member["configuration"] for member in best["selected_model_or_models"]],
        "keep_largest": [arguments["labels_or_regions"] for arguments in rule["postprocessing_kwargs"]],
        "postprocessed": best["result_on_crossval_post_pp"],
    }


if __name__ == "__main__":
    answers = {}
    for kind in NOISE:
        with tempfile.TemporaryDirectory() as folder:
            for variable in ("raw", "preprocessed", "results"):
                os.environ[f"nnUNet_{variable}"] = str(Path(folder, variable))
            if (child := os.fork()) == 0:  # nnunetv2 reads these variables once, when it is imported
                write_results(Path(folder), kind)
                Path(folder, "answer.json").write_text(json.dumps(ask()))
                os._exit(0)
            os.waitpid(child, 0)
            answers[kind] = json.loads(Path(folder, "answer.json").read_text())
    Path(sys.argv[1]).write_text(json.dumps(answers, indent=1) + "\n")
