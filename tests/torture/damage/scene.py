"""The files that are damaged: a small dataset of every format, and what every command makes of one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image

from nnplug.dataset.phantom import write_phantom

BIN = Path(sys.executable).parent
ENDINGS = (".nii", ".nii.gz", ".mha", ".nrrd", ".png", ".bmp", ".tif")
PLANAR = (".png", ".bmp", ".tif")
NAME = "Dataset999_Phantom"
SMALL = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "plan.patch_size=[16,16,16]", "--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)
RUNS = f"w/{NAME}/runs/nnunet/3d_fullres"
FOLD = f"{RUNS}/fold_0"
STORE = f"w/{NAME}/preprocessed/nnunet_3d_fullres"


def make_scene(folder: Path) -> Path:
    """Write and train everything below a folder; takes half a minute. A scene that is there is kept."""
    if (folder / "done").exists():
        return folder
    raw = folder / "raw" / NAME
    write_phantom(raw, cases=4, unseen=2, shape=(16, 18, 16))
    for command in _commands():
        _run(command.split(), folder)
    (folder / "groups.csv").write_text("case,group\n" + "".join(f"phantom_00{k},{k // 2}\n" for k in range(4)))
    write_formats(folder)
    _older_layouts(folder)
    (folder / "done").touch()
    return folder


def _commands() -> list[str]:
    data, on_cpu = f"raw/{NAME} -w w", "--device cpu"
    references, labels = f"raw/{NAME}/labelsTs", f"--dataset-json raw/{NAME}/dataset.json"
    return [
        f"nnplug split {data} --folds 2",
        f"nnplug run {data} -c 3d_fullres --until preprocess {on_cpu} {' '.join(SMALL)}",
        f"nnplug train {data} -c 3d_fullres {on_cpu} --no-mirroring --save-logits",
        f"nnplug model export {RUNS} -o model.zip",
        f"nnplug model export {RUNS} -o bundle",
        "nnplug model export-nnunet model.zip -o nnunet",
        f"nnplug predict {on_cpu} -i raw/{NAME}/imagesTs -o pred -m model.zip --save-logits --no-mirroring",
        f"nnplug predict {on_cpu} -i raw/{NAME}/imagesTs -o soft -m model.zip --save-probabilities --no-mirroring",
        f"nnplug evaluate -r {references} -p pred -o summary.json",
        f"nnplug evaluate -r {references} -p soft -o other.json",
        f"nnplug postprocess fit -r {references} -p pred {labels} -o rule.json",
        f"nnplug fingerprint raw/{NAME} -w w",
    ]


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run([BIN / words[0], *words[1:]], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def write_formats(folder: Path) -> None:
    """Write the datasets of every format below a folder."""
    for ending in ENDINGS:
        write_format(folder / "formats" / ending[1:] / "Dataset001_Format", ending)


def write_format(folder: Path, ending: str) -> None:
    """Write a dataset of three cases in one format, with predictions: of volumes, or of pictures in two of them."""
    planar = ending in PLANAR
    rng = np.random.default_rng(0)
    for case in ("a", "b", "c"):
        image = rng.integers(1, 200, (18, 20) if planar else (6, 8, 10)).astype(np.uint8 if planar else np.int16)
        _save(image, folder / "imagesTr" / f"{case}_0000{ending}")
        for part in ("labelsTr", "predictions"):
            _save((image > 100).astype(np.uint8), folder / part / f"{case}{ending}")
    names = {str(k): "a" for k in range(3 if ending == ".bmp" else 1)}
    described = {"channel_names": names, "labels": {"background": 0, "a": 1}, "numTraining": 3, "file_ending": ending}
    (folder / "dataset.json").write_text(json.dumps(described))
    (folder / "predictions" / "dataset.json").write_text(json.dumps(described))


def _save(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".bmp":
        Image.fromarray(array).convert(_colours(path)).save(path)
        return
    image = SimpleITK.GetImageFromArray(array)
    if array.ndim == 3:
        image.SetSpacing((1.0, 1.5, 2.0))
    SimpleITK.WriteImage(image, str(path), useCompression=path.suffix == ".nrrd")


def _colours(path: Path) -> str:
    return "RGB" if path.suffix == ".bmp" and path.parent.name == "imagesTr" else "L"


def _older_layouts(folder: Path) -> None:
    """Write the phantom as the Medical Segmentation Decathlon and as nnU-Net's first version lay it out."""
    raw = folder / "raw" / NAME
    msd = folder / "msd" / "Task99_Phantom"
    names = [f"phantom_00{k}.nii.gz" for k in range(2)]
    for name in names:
        image = SimpleITK.ReadImage(str(raw / "imagesTr" / name.replace(".nii.gz", "_0000.nii.gz")))
        (msd / "imagesTr").mkdir(parents=True, exist_ok=True)
        (msd / "labelsTr").mkdir(exist_ok=True)
        SimpleITK.WriteImage(image, str(msd / "imagesTr" / name))
        (msd / "labelsTr" / name).write_bytes((raw / "labelsTr" / name).read_bytes())
    content = {
        "name": "Phantom",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "body", "2": "cap"},
        "numTraining": len(names),
        "numTest": 0,
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
        "test": [],
    }
    (msd / "dataset.json").write_text(json.dumps(content))
