"""Ask nnunetv2 2.8.1's planners for plans of random fingerprints of every kind.

Run it with a Python that has nnunetv2:
`ORACLE/bin/python bench/oracle/plans.py FIRST LAST -o FOLDER` writes FOLDER/SEED.json for seeds FIRST to LAST - 1;
`ORACLE/bin/python bench/oracle/plans.py --golden` writes a few small ones for the tests;
`ORACLE/bin/python bench/oracle/plans.py --time CASE.json PLANNER` prints the seconds that one plan takes.
"""

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path

ROOT = Path(tempfile.mkdtemp(prefix="oracle-plans-"))
for variable in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{variable}"] = str(ROOT / variable)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (  # noqa: E402
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
    nnUNetPlannerResEncXL,
)

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/planning/golden/plans.json"
PLANNERS = {
    "default": ExperimentPlanner,
    "resenc_m": nnUNetPlannerResEncM,
    "resenc_l": nnUNetPlannerResEncL,
    "resenc_xl": nnUNetPlannerResEncXL,
}
KINDS = ("isotropic", "anisotropic", "2d", "huge", "tiny", "mixed", "thin", "round")
CHANNELS = ("CT", "MRI", "zscore", "noNorm", "rescale_to_0_1", "rgb_to_0_1", "T1")
STATISTICS = {
    "max": 1200.0,
    "mean": 30.0,
    "median": 40.0,
    "min": -1000.0,
    "percentile_00_5": -200.0,
    "percentile_99_5": 600.0,
    "std": 80.0,
}
GOLDEN_SEEDS = range(3056, 3056 + 72, 9)  # each kind once, each planner twice


def grid(kind: str, r: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A typical spacing and shape."""
    axis = r.integers(3)
    if kind == "isotropic":
        return np.full(3, r.uniform(0.4, 2)), r.uniform(40, 250, 3)
    if kind == "2d":
        return np.array([999, *np.full(2, r.choice([1, 0.5, r.uniform(0.2, 3)]))]), np.array(
            [1, *r.uniform(48, 3000, 2)]
        )
    if kind == "huge":
        return r.uniform(0.3, 1.2, 3), r.uniform(300, 900, 3)
    if kind == "tiny":
        return r.uniform(0.5, 2, 3), r.uniform(12, 50, 3)
    if kind == "round":
        return r.choice([0.5, 1, 1, 2, 3, 4, 6], 3), r.choice([32, 64, 96, 100, 128, 192, 256, 320, 512], 3)
    if kind == "mixed":
        return r.uniform(0.4, 3, 3), r.uniform(30, 400, 3)
    spacing, shape = r.uniform(0.3, 1.2, 3), r.uniform(60, 512, 3)
    spacing[axis] *= r.uniform(2, 12) if kind == "anisotropic" else r.uniform(1, 5)
    shape[axis] = r.uniform(8, 140) if kind == "anisotropic" else r.integers(2, 14)
    return spacing, shape


def case(seed: int, cases: int | None = None) -> dict:
    r = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    spacing, shape = grid(kind, r)
    n = cases or int(r.integers(3, 40))
    spacings = spacing * np.exp(r.normal(0, r.choice([0, 0.02, 0.3]), (n, 3)))
    shapes = np.maximum(1, np.rint(shape * np.exp(r.normal(0, r.choice([0, 0.05, 0.4]), (n, 3)))))
    if kind == "2d":
        spacings[:], shapes[:, 0] = spacing, 1
    channels = [str(c) for c in r.choice(CHANNELS, r.integers(1, 5))]
    fingerprint = {
        "spacings": spacings.tolist(),
        "shapes_after_crop": shapes.astype(int).tolist(),
        "median_relative_size_after_cropping": float(r.uniform(0.3, 1)),
        "foreground_intensity_properties_per_channel": {str(i): STATISTICS for i in range(len(channels))},
    }
    dataset = {
        "channel_names": {str(i): c for i, c in enumerate(channels)},
        "labels": {"background": 0, **{f"class{i}": i for i in range(1, int(r.integers(2, 41)))}},
        "numTraining": int(r.choice([n, r.integers(n, 400)])),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    memory = float(r.choice([0, 0, 4, 8, 11, 16, 24, 40, 80])) or None
    planner = list(PLANNERS)[seed // len(KINDS) % len(PLANNERS)]
    return {
        "kind": kind,
        "planner": planner,
        "memory_gb": memory,
        "transpose": bool(r.random() < 0.9),
        "fingerprint": fingerprint,
        "dataset_json": dataset,
    }


def place(asked: dict, name: str) -> None:
    """A raw dataset of empty files and its fingerprint: the planners look at nothing else."""
    raw, preprocessed = ROOT / "raw" / name, ROOT / "preprocessed" / name
    for folder in (raw / "imagesTr", raw / "labelsTr", preprocessed):
        folder.mkdir(parents=True, exist_ok=True)
    for channel in asked["dataset_json"]["channel_names"]:
        (raw / "imagesTr" / f"a_{int(channel):04d}.nii.gz").touch()
    (raw / "labelsTr" / "a.nii.gz").touch()
    (raw / "dataset.json").write_text(json.dumps(asked["dataset_json"]))
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(asked["fingerprint"]))


def plan(asked: dict, number: int) -> tuple[dict, float]:
    name = f"Dataset{number:03d}_Case"
    place(asked, name)
    memory = {"gpu_memory_target_in_gb": asked["memory_gb"]} if asked.get("memory_gb") else {}
    with contextlib.redirect_stdout(io.StringIO()):
        planner = PLANNERS[asked["planner"]](name, suppress_transpose=not asked.get("transpose", True), **memory)
        begin = time.perf_counter()
        planner.plan_experiment()
        seconds = time.perf_counter() - begin
    return json.loads((ROOT / "preprocessed" / name / f"{planner.plans_identifier}.json").read_text()), seconds


def write_golden() -> None:
    answers = [
        {**(asked := case(seed, cases=3)), "plans": _decisions(plan(asked, seed % 1000)[0])} for seed in GOLDEN_SEEDS
    ]
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(a, separators=(",", ":")) for a in answers) + "\n]\n")
    print(GOLDEN, GOLDEN.stat().st_size, "bytes")


def _decisions(plans: dict) -> dict:
    """Without what is the same in all plans."""
    left_out = ("resampling", "data_identifier", "preprocessor", "_kw", "conv_", "norm_op", "dropout", "nonlin")

    def prune(data: object) -> object:
        if isinstance(data, dict):
            return {k: prune(v) for k, v in data.items() if not k.startswith(left_out)}
        return data

    kept = ("transpose_forward", "transpose_backward", "configurations")
    return {k: prune(plans[k]) for k in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, nargs="*")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("--time", nargs=2, metavar=("CASE", "PLANNER"))
    arguments = parser.parse_args()
    if arguments.time:
        asked = {**json.loads(Path(arguments.time[0]).read_text()), "planner": arguments.time[1]}
        print(plan(asked, 0)[1])
        return
    torch.set_default_device("meta")  # shapes are all that planning needs: many times faster, the same figures
    if arguments.golden:
        write_golden()
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for seed in range(*arguments.seeds):
        asked = case(seed)
        (arguments.output / f"{seed}.json").write_text(json.dumps({**asked, "plans": plan(asked, seed % 1000)[0]}))


if __name__ == "__main__":
    main()
