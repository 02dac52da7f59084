"""Flags that several commands share; each function adds some to a parser."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from nnplug_nnunetv2_commands.class_names.planners import DEFAULT as PLANNER
from nnplug_nnunetv2_commands.command import Refused
from nnplug_nnunetv2_commands.workspace import PLANS, TRAINER

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres")
EXTRACTOR = "DatasetFingerprintExtractor"
FOLDS = ("0", "1", "2", "3", "4")


def at_least(least: int) -> Callable[[str], int]:
    """Return a type for `add_argument`: whole numbers from `least`, else `ArgumentTypeError`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return number


def fold(text: str) -> str:
    """Return a fold's number or "all" as text; a type for `add_argument` that raises `ArgumentTypeError`."""
    if text != "all" and not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is neither a fold's number nor 'all'")
    return text


def part(text: str) -> float:
    """Return a number above 0 and up to 1; a type for `add_argument` that raises `ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"{text!r} is no number above 0 and up to 1")
    return value


def talk(parser: ArgumentParser) -> None:
    """Add `--verbose` and `--no_pbar`."""
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    parser.add_argument("--no_pbar", dest="quiet", action="store_true", help="no progress; notices stay")


def datasets(parser: ArgumentParser) -> None:
    """Add `-d`, which takes several values."""
    parser.add_argument("-d", nargs="+", required=True, metavar="ID", help="dataset ids or names")


def workers(parser: ArgumentParser, flag: str = "-np") -> None:
    """Add the number of cases that are processed at once."""
    parser.add_argument(flag, type=at_least(1), help="cases processed at once [nnUNet_def_n_proc, else one per core]")


def extraction(parser: ArgumentParser, *, workers_flag: str) -> None:
    """Add the flags of fingerprint extraction."""
    parser.add_argument("-fpe", default=EXTRACTOR, choices=[EXTRACTOR], help="extractor class")
    workers(parser, workers_flag)
    parser.add_argument("--verify_dataset_integrity", action="store_true", help="report all faults of the data first")
    parser.add_argument("--clean", action="store_true", help="measure again if a fingerprint exists")


def planning(parser: ArgumentParser) -> None:
    """Add the flags of planning."""
    parser.add_argument("-pl", default=PLANNER, help="nnU-Net's planner class, or a plugin's planner")
    parser.add_argument("-gpu_memory_target", type=float, help="GB of GPU memory to plan for")
    parser.add_argument("-preprocessor_name", default="DefaultPreprocessor", choices=["DefaultPreprocessor"])
    parser.add_argument("-overwrite_target_spacing", nargs=3, type=float, metavar="MM", help="z y x of 3d_fullres")
    parser.add_argument("-overwrite_plans_name", metavar="NAME", help="name of the plans")


def preprocessing(parser: ArgumentParser) -> None:
    """Add the flags of preprocessing."""
    parser.add_argument("-c", nargs="+", default=list(CONFIGURATIONS), metavar="NAME", help="configurations")
    parser.add_argument(
        "-np", nargs="+", type=at_least(1), metavar="N", help="cases processed at once: one number, or one for each -c"
    )


def training(parser: ArgumentParser, *, trainer: str = "-tr", plans: str = "-p") -> None:
    """Add the flags that name the training of a model."""
    parser.add_argument(trainer, default=TRAINER, help="the trainer [nnUNetTrainer]")
    parser.add_argument(plans, default=PLANS, help="the plans [nnUNetPlans]")


def fold_of_dataset(parser: ArgumentParser) -> None:
    """Add the dataset, the configuration and the fold of a training, as positional arguments."""
    parser.add_argument("dataset_name_or_id", help="dataset id or name")
    parser.add_argument("configuration", help="configuration, such as 3d_fullres")
    parser.add_argument("fold", type=fold, help="a fold's number, or all")


def fold_training(parser: ArgumentParser) -> None:
    """Add the flags of training and validating one fold."""
    parser.add_argument("--c", dest="go_on", action="store_true", help="continue a training that was stopped")
    parser.add_argument("--val", action="store_true", help="only validate a finished training (again)")
    device(parser)
    parser.add_argument("-num_gpus", type=at_least(1), default=1, help="GPUs that train the fold together [1]")
    parser.add_argument("--npz", action="store_true", help="write CASE.npz in validation, for ensembles")
    parser.add_argument("--val_best", action="store_true", help="validate with the best weights, in the same folder")
    parser.add_argument(
        "--disable_checkpointing", action=Refused, nargs=0, because="--c continues from the saved state of a training"
    )


def pretraining(parser: ArgumentParser) -> None:
    """Add the flags of planning for a checkpoint of nnssl."""
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument("-n", "--pretraining_name", required=True, metavar="NAME", help="a part of the plans' name")
    parser.add_argument(
        "-pc", "--pretrained_checkpoint", required=True, metavar="FILE", help="checkpoint of nnssl, or its address"
    )
    workers(parser)
    parser.add_argument("--overwrite_pp", action="store_true", help="prepare the cases again")
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def folds(parser: ArgumentParser) -> None:
    """Add `-f`, which takes several values."""
    parser.add_argument("-f", nargs="+", type=fold, default=list(FOLDS), metavar="FOLD", help="folds [0 1 2 3 4]")


def device(parser: ArgumentParser) -> None:
    """Add the device that networks run on."""
    parser.add_argument(
        "-device", choices=["cuda", "cpu", "mps"], help="device of the network [the first of cuda, mps and cpu]"
    )


def prediction(parser: ArgumentParser) -> None:
    """Add the flags of prediction, for models given by name or by folder."""
    parser.add_argument("-i", type=Path, required=True, help="folder of images CASE_0000, CASE_0001 ..")
    parser.add_argument("-o", type=Path, required=True, help="folder for the label maps")
    folds(parser)
    parser.add_argument("-step_size", type=part, help="distance of windows as a share of the patch size [0.5]")
    parser.add_argument("--disable_tta", action="store_true", help="no averaging over mirrored images")
    parser.add_argument("--save_probabilities", action="store_true", help="also write CASE.npz, for ensembles")
    parser.add_argument("--continue_prediction", "--c", action="store_true", help="skip cases with a prediction")
    parser.add_argument(
        "-chk", default="checkpoint_final.pth", choices=["checkpoint_final.pth", "checkpoint_best.pth"], help="weights"
    )
    parser.add_argument(
        "-npp", type=at_least(0), help="largest number of images prepared at once; nnplug prepares one ahead"
    )
    parser.add_argument(
        "-nps",
        type=at_least(0),
        help="largest number of images exported at once; nnplug exports one while it predicts the next",
    )
    device(parser)
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    parser.add_argument("--disable_progress_bar", dest="quiet", action="store_true", help="no progress; notices stay")
    parser.add_argument(
        "-prev_stage_predictions",
        type=Path,
        metavar="FOLDER",
        help="for a cascade: label maps of the previous stage [predicted first]",
    )
    parser.add_argument("--force", action="store_true", help="(nnplug) predict images of any spacing")
    parser.add_argument("--not_on_device", action="store_true", help="sum logits on the CPU: needs less device memory")


def scoring(parser: ArgumentParser) -> None:
    """Add the flags of both scoring commands."""
    parser.add_argument("gt_folder", type=Path, help="folder of references")
    parser.add_argument("pred_folder", type=Path, help="folder of predictions of the same names")
    parser.add_argument("-o", type=Path, metavar="FILE", help="the summary [summary.json in pred_folder]")
    workers(parser)
    parser.add_argument("--chill", action="store_true", help="leave out references that have no prediction")


def label_files(parser: ArgumentParser) -> None:
    """Add the files that define the labels."""
    parser.add_argument("-plans_json", type=Path, metavar="FILE", help="plans.json [the one in the input folder]")
    parser.add_argument("-dataset_json", type=Path, metavar="FILE", help="dataset.json [the one in the input folder]")
