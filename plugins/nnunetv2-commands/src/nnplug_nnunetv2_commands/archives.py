"""Zips of trained models in the layout that nnU-Net writes and installs."""

from __future__ import annotations

import filecmp
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.scoring import RULES, is_pickle

BESIDE_FOLDS = ("plans.json", "dataset.json", "dataset_fingerprint.json")
SUFFIXES = (".json", ".pth", ".png", ".pdf", ".txt", ".pkl", ".npz", ".gz", ".nii", ".nrrd", ".mha", ".tif", ".bmp")


def model_files(folder: Path, folds: Iterable[str], checkpoints: Iterable[str], *, predictions: bool) -> Iterator[Path]:
    """Yield the files of a model folder that belong in its zip.

    Args:
        folder: TRAINER__PLANS__CONFIGURATION.
        folds: the required folds.
        checkpoints: the required checkpoints of each fold.
        predictions: whether to include the label maps of cross-validation.

    Raises:
        NnplugError: a file is missing.
    """
    yield from (_there(folder / name) for name in BESIDE_FOLDS[:2])
    yield from (file for file in [folder / BESIDE_FOLDS[2]] if file.is_file())
    for fold in folds:
        place = folder / f"fold_{fold}"
        yield from (_there(place / name) for name in checkpoints)
        yield from (file for file in [place / "progress.png", place / "debug.json"] if file.is_file())
        yield from _scores(place / "validation", predictions=predictions)
    for place in sorted(folder.glob("crossval_results_folds_*")):
        yield from _scores(place, predictions=predictions)


def write_zip(target: Path, files: Iterable[Path], root: Path) -> None:
    """Write files into a zip, named from `root`; the zip is written completely or not at all."""
    from nnplug.runtime.files import atomic_file

    with atomic_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(root).as_posix())


def install(archive: Path, results: Path, call: Call) -> list[str]:
    """Unpack a zip of models into nnUNet_results; models of the same names are replaced, file by file.

    The whole zip is unpacked and checked before anything is written. A pickled postprocessing.pkl is replaced by the
    JSON beside it.

    Returns:
        Names of the model folders, DATASET/TRAINER__PLANS__CONFIGURATION.

    Raises:
        InvalidFile: the file is no zip, is damaged, has paths outside the folder, or holds a file that no model has.
        Problems: its `dataset.json` is that of another dataset than a model of the same name; or a fold of the same
            name was trained by nnplug and has other weights; a line each.
    """
    from nnplug.runtime.files import explained
    from nnplug.runtime.json_files import read_json
    from nnplug.runtime.outputs import Outputs

    with explained(results):
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results, prefix=".install-") as place:
            names = _unpack(archive, Path(place))
            _replace_pickles(Path(place), call)
            files = sorted(path for path in Path(place).rglob("*") if path.is_file())
            targets = {file: results / file.relative_to(place) for file in files}
            documents = {target: read_json(file) for file, target in targets.items() if file.name == "dataset.json"}
            Outputs(tuple(targets.values()), (archive,), documents).check(replace=True)
            _check_folds(targets)
            for file, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    return sorted({"/".join(PurePosixPath(name).parts[:2]) for name in names if "/fold_" in name})


def _check_folds(targets: Mapping[Path, Path]) -> None:
    """Raise `Problems` if a fold that nnplug has trained would get other weights, which its record does not tell of."""
    lines = [
        f"{target.parent}: nnplug has trained it, and the zip has other weights. Move it away, or set nnUNet_results "
        "to another folder"
        for file, target in targets.items()
        if file.suffix == ".pth"
        and (target.parent / "run.json").is_file()
        and not (target.is_file() and filecmp.cmp(file, target, shallow=False))
    ]
    if lines:
        raise Problems(sorted(set(lines)))


def _scores(folder: Path, *, predictions: bool) -> Iterator[Path]:
    for file in sorted(folder.glob("*")):
        labels = predictions and file.is_file() and not file.name.endswith((".npz", ".pkl"))
        if labels or file.name in ("summary.json", *RULES):
            yield file


def _there(file: Path) -> Path:
    if not file.is_file():
        raise NnplugError(f"{file}: is missing; train that fold to its end, or export others with -f, -c and -chk")
    return file


def _unpack(archive: Path, folder: Path) -> list[str]:
    if not archive.is_file():
        raise NnplugError(f"{archive}: no such file; give a zip that nnUNetv2_export_model_to_zip wrote")
    try:
        with zipfile.ZipFile(archive) as zipped:
            # is_dir() of Python 3.11 fails for an empty name
            members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
            for member in members:
                _check(member, archive)
            zipped.extractall(folder, members)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidFile(f"{archive}: not a readable zip ({error}); get it again") from error
    return [member.filename for member in members]


def _check(member: zipfile.ZipInfo, archive: Path) -> None:
    name, path = member.filename, PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise InvalidFile(f"{archive}: holds {name!r}, a path outside nnUNet_results; do not trust it")
    if stat.S_ISLNK(member.external_attr >> 16) or not name.endswith(SUFFIXES):
        raise InvalidFile(f"{archive}: holds {name!r}, which is no file of a model; do not trust it")
    if not path.parts[0].startswith("Dataset") or len(path.parts) < 2:
        raise InvalidFile(f"{archive}: holds {name!r}; a zip of models has DATASET/TRAINER__PLANS__CONFIGURATION/..")


def _replace_pickles(folder: Path, call: Call) -> None:
    for file in sorted(folder.rglob("*.pkl")):
        if not is_pickle(file):
            continue
        file.unlink()
        if file.with_suffix(".json").is_file():
            shutil.copyfile(file.with_suffix(".json"), file)
        else:
            call.progress.notice(f"{file.relative_to(folder)} is a pickle, which could run code; it is left out")
