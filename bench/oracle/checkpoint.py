"""Have nnunetv2 2.8.1 make and save a small residual network for a real plan, and predict with it.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/checkpoint.py`. It writes
tests/plugins/nnunet/nnunet_models/golden/residual: a model folder as nnU-Net leaves it, whose checkpoint its trainer
saved, an image and the probabilities of it. The weights are random; only equality matters.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

SCRATCH = Path(tempfile.mkdtemp(prefix="oracle-checkpoint-"))
for variable in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{variable}"] = str(SCRATCH / variable)
os.environ |= {"nnUNet_compile": "f", "nnUNet_n_proc_DA": "1"}

import nnunetv2.inference.predict_from_raw_data as inference  # noqa: E402
import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402, N813
import torch  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (  # noqa: E402
    nnUNetPlannerResEncM,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/nnunet_models/golden/residual"
DESCRIPTION = {
    "channel_names": {"0": "CT", "1": "MRI"},
    "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
    "regions_class_order": [1, 2],
    "numTraining": 5,
    "file_ending": ".nii.gz",
}
SPACING, SHAPE = (1.0, 3.5, 1.1), (21, 9, 23)  # (z, y, x): the coarse axis is not the first
STATISTICS = {"max": 3, "mean": 0, "median": 0, "min": -3, "percentile_00_5": -2, "percentile_99_5": 2, "std": 0.8}


class Float32Sums:
    """torch, but for the half precision in which nnunetv2 sums windows."""

    def __getattr__(self, name: str) -> object:
        return torch.float32 if name in ("half", "float16") else getattr(torch, name)


def make_plans() -> dict:
    fingerprint = {
        "spacings": [SPACING] * 5,
        "shapes_after_crop": [SHAPE] * 5,
        "foreground_intensity_properties_per_channel": {"0": STATISTICS, "1": STATISTICS},
        "median_relative_size_after_cropping": 1.0,
    }
    raw, preprocessed = (SCRATCH / name / "Dataset001_Residual" for name in ("raw", "preprocessed"))
    for folder in (raw / "imagesTr", raw / "labelsTr", preprocessed):
        folder.mkdir(parents=True)
    for case in range(5):
        for file in ("imagesTr/c{}_0000", "imagesTr/c{}_0001", "labelsTr/c{}"):
            write_image(raw / f"{file.format(case)}.nii.gz", np.zeros(SHAPE, np.float32))
    (raw / "dataset.json").write_text(json.dumps(DESCRIPTION))
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
    planner = nnUNetPlannerResEncM(1)
    planner.UNet_base_num_features = 4
    planner.UNet_max_features_3d = 8
    planner.plan_experiment()
    return json.loads((preprocessed / "nnUNetResEncUNetMPlans.json").read_text())


def save_checkpoint(plans: dict) -> Path:
    cases = SCRATCH / "preprocessed/Dataset001_Residual/nnUNetPlans_3d_fullres"
    cases.mkdir()
    for ending in ("b2nd", "pkl"):  # the trainer looks at the endings only
        (cases / f"c0.{ending}").touch()
    torch.manual_seed(0)
    trainer = nnUNetTrainer({**plans, "continue_training": False}, "3d_fullres", 0, DESCRIPTION, torch.device("cpu"))
    trainer.initialize()
    with torch.no_grad():
        for parameter in trainer.network.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    trainer.save_checkpoint(str(SCRATCH / "checkpoint_final.pth"))
    return SCRATCH / "checkpoint_final.pth"


def write_image(path: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(path))


def predict(model: Path, images: Path) -> np.ndarray:
    inference.torch = Float32Sums()
    predictor = inference.nnUNetPredictor(
        perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), [0], "checkpoint_final.pth")
    predictor.predict_from_files_sequential(str(images), str(SCRATCH / "out"), True, True)
    return np.load(SCRATCH / "out" / "case.npz")["probabilities"]


if __name__ == "__main__":
    shutil.rmtree(GOLDEN, ignore_errors=True)
    (GOLDEN / "model" / "fold_0").mkdir(parents=True)
    (GOLDEN / "images").mkdir()
    (SCRATCH / "out").mkdir()
    plans = make_plans()
    (GOLDEN / "model" / "plans.json").write_text(json.dumps(plans))
    (GOLDEN / "model" / "dataset.json").write_text(json.dumps(DESCRIPTION))
    shutil.copy(save_checkpoint(plans), GOLDEN / "model" / "fold_0")
    draw = np.random.RandomState(0)
    for channel in range(2):
        write_image(GOLDEN / "images" / f"case_000{channel}.nii.gz", draw.normal(size=SHAPE).astype(np.float32))
    np.savez_compressed(GOLDEN / "probabilities.npz", probabilities=predict(GOLDEN / "model", GOLDEN / "images"))
    print(*((str(file), file.stat().st_size) for file in GOLDEN.rglob("*") if file.is_file()), sep="\n")
