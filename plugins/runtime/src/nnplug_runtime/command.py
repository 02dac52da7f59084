"""The command `nnplug-runtime predict -i IMAGES -o FOLDER -m EXPORTED`.

Exit codes: 0 done; 1 an error that a user can remedy, one line on stderr; 2 usage; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug_runtime.faults import Fault, Faults

if TYPE_CHECKING:
    from nnplug_runtime.cases import Case
    from nnplug_runtime.predict import Predictor


def main(words: Sequence[str] | None = None) -> None:
    """Run the command, and exit with its code."""
    arguments = _parser().parse_args(words)
    if arguments.threads is not None:  # read by the libraries of numpy when they are loaded
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(arguments.threads)
    try:
        _predict(arguments)
    except Faults as error:
        sys.exit(_told(error.lines))
    except Fault as error:
        sys.exit(_told([str(error)]))
    except (OSError, MemoryError) as error:
        sys.exit(_told([f"{type(error).__name__}: {error}"]))
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nnplug-runtime", description="Predict with exported models of nnplug.")
    parser.add_argument("--version", action="version", version=version("nnplug-runtime"))
    predict = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "predict",
        help="segment images",
        description="Segment images; label maps have the geometry and the file type of the images. If some images "
        "cannot be predicted, the others are, and all errors are listed at the end.",
    )
    add = predict.add_argument
    add("-i", "--input", dest="inputs", action="append", required=True, type=Path, metavar="FOLDER|FILE",
        help="a folder of images CASE_0000, CASE_0001 .., or image files; repeatable")  # fmt: skip
    add("-o", "--output", required=True, type=Path, metavar="FOLDER", help="the output folder")
    add("-m", "--model", required=True, type=Path, metavar="EXPORTED", help="a folder of nnplug model export-onnx")
    add("--folds", nargs="+", metavar="N", help="only these folds of the model")
    add("--no-mirroring", action="store_true", help="do not average over mirrored images: faster, a little worse")
    add("--step", type=float, metavar="SHARE", help="distance of neighbouring windows as a share of the patch size")
    add("--threads", type=_threads, metavar="N", help="threads that compute [default: one per core]")
    add("--force", action="store_true", help="predict images whose spacing is far from that of the training, too")
    add("--replace", action="store_true", help="replace files that nnplug did not write, or that have changed since")
    return parser


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads; give 1 or more")
    return int(text)


def _predict(arguments: argparse.Namespace) -> None:
    from nnplug_runtime.cases import find_cases
    from nnplug_runtime.outputs import claim
    from nnplug_runtime.predict import Options, Predictor

    options = Options(
        folds=None if arguments.folds is None else tuple(arguments.folds),
        mirroring=not arguments.no_mirroring,
        step=arguments.step,
        threads=arguments.threads,
        force=arguments.force,
    )
    predictor = Predictor(arguments.model, options)
    cases = find_cases(arguments.inputs, predictor.model.file_ending)
    files = {case.name: arguments.output / case.labels for case in cases}
    read = [image for case in cases for image in case.images]
    claim(files.values(), [*read, *arguments.model.rglob("*")], replace=arguments.replace)
    lines: list[str] = []
    for number, case in enumerate(cases, 1):
        try:
            _predict_case(case, predictor, files[case.name])
            sys.stderr.write(f"{case.name}: {number} of {len(cases)}\n")
        except Fault as error:
            lines.append(_named(case, str(error)))
        except (OSError, MemoryError, ValueError) as error:
            lines.append(_named(case, f"{type(error).__name__}: {error}"))
    if lines:
        raise Faults(lines)
    sys.stdout.write(f"predictions: {arguments.output}\n")


def _predict_case(case: Case, predictor: Predictor, target: Path) -> None:
    from nnplug_runtime.images import read_image, write_labels
    from nnplug_runtime.plausibility import orientation_warnings

    image = read_image(case.images)
    for line in orientation_warnings(image.geometry, predictor.model.orientations):
        sys.stderr.write(f"warning: {case.name}: {line}\n")
    own = predictor.turned_image(image)
    write_labels(target, predictor.label_map(own, target.parent), own.geometry)


def _named(case: Case, text: str) -> str:
    return f"{case.name}: {' '.join(text.split())}"


def _told(lines: Sequence[str]) -> int:
    for line in lines:
        sys.stderr.write(f"error: {line}\n")
    return 1
