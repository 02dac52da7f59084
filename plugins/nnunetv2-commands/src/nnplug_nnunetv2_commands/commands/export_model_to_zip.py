"""The command `nnUNetv2_export_model_to_zip`: write trained models into a zip that nnU-Net can install."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.archives import model_files, write_zip
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import RESULTS
from nnplug_nnunetv2_commands.models import find_folder

CONFIGURATIONS = ("3d_lowres", "3d_fullres", "2d", "3d_cascade_fullres")


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_export_model_to_zip", description="Write trained models into a zip.")
    parser.add_argument("-d", required=True, help="dataset id or name")
    parser.add_argument("-o", type=Path, required=True, help="the zip")
    parser.add_argument("-c", nargs="+", default=list(CONFIGURATIONS), metavar="NAME", help="configurations")
    flags.training(parser)
    flags.folds(parser)
    parser.add_argument(
        "-chk", nargs="+", default=["checkpoint_final.pth"], metavar="FILE", help="checkpoints [checkpoint_final.pth]"
    )
    parser.add_argument("--not_strict", action="store_true", help="skip missing configurations and folds")
    parser.add_argument("--exp_cv_preds", action="store_true", help="include the predictions of cross-validation")
    run(parser, _export)


def _export(call: Call, options: Options) -> None:
    files = dict.fromkeys(file for name in options.c for file in _files(call, options, name))
    if not files:
        raise NnplugError(f"{options.d}: no model to export; name one with -c, -f, -tr and -p")
    from nnplug.runtime.outputs import Outputs

    Outputs((options.o,), tuple(files)).check(replace=True)
    write_zip(options.o, files, call.environment.folder(RESULTS))


def _files(call: Call, options: Options, configuration: str) -> Iterator[Path]:
    try:
        folder = find_folder(call, options, dataset=options.d, configuration=configuration)
    except NnplugError:
        if options.not_strict:
            return
        raise
    places = {fold: folder / f"fold_{fold}" for fold in options.f}
    folds = [f for f, place in places.items() if not options.not_strict or (place / options.chk[0]).is_file()]
    if folds:
        yield from model_files(folder, folds, options.chk, predictions=options.exp_cv_preds)
