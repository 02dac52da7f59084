"""Plans and starts for checkpoints of nnssl, in nnU-Net's folders. It needs the distribution nnplug-nnssl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands.class_names.pretrained import FineTuner
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.plans_files import load_plans, read_raw
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.plans.plans import Plans
    from nnplug.training.job import TrainingJob
    from nnplug_nnssl.checkpoint import Pretraining
    from nnplug_nnssl.planning import SpacingRule
    from nnplug_nnunetv2_commands.preparation import Preparation

CONFIGURATION = "3d_fullres"
BASES = ("nnUNetPlans", *(f"nnUNetResEncUNet{size}Plans" for size in ("", "M", "L", "XL")))
"""The plans that nnU-Net adapts to a checkpoint: the first that is there."""

DOWNLOADS = "nnssl_pretrained_models"
"""The variable with the folder for checkpoints of the Hub."""

INFO, CHECKPOINT = "pretrain_info", "checkpoint_path"
"""The key of nnU-Net's plans with the pre-training, and that of the file in it."""

SPACINGS: Mapping[str, SpacingRule] = {
    "like_pretrained": "pretrained",
    "default_nnunet": "dataset",
    "no_resample": "none",
}
"""Value of `-am` -> the rule of the spacing; "fixed" takes that of `-os`."""

FIXED = "fixed"
MODES = (FIXED, *SPACINGS)


def open_checkpoint(call: Call, text: str) -> Pretraining:
    """Return the checkpoint of `-pc`: a file, or the address of a model on the Hub.

    Raises:
        NnplugError: nnplug-nnssl is not installed, the variable for downloads is not set, or as in `read_pretraining`.
    """
    _check_installed()
    from nnplug_nnssl.checkpoint import read_pretraining
    from nnplug_nnssl.fetch import hub_reference, local_checkpoint

    folder = call.environment.variables.get(DOWNLOADS)
    if hub_reference(text) is not None and not folder:
        raise NnplugError(f"{DOWNLOADS} is not set; it names the folder for checkpoints. Run: export {DOWNLOADS}=/PATH")
    return read_pretraining(local_checkpoint(text, Path(folder) if folder else None))


def plan_like_nnssl(
    preparation: Preparation, pretraining: Pretraining, *, name: str, mode: str, spacing: tuple[float, ...] | None
) -> str:
    """Write plans with the network, patch and spacing of a checkpoint, and return their name.

    Args:
        preparation: the dataset.
        pretraining: the checkpoint.
        name: the name of the pre-training.
        mode: the value of `-am`.
        spacing: the three numbers of `-os` in the order of the axes of the plans.

    Raises:
        NnplugError: the dataset is not planned, or `-os` does not suit `-am`.
    """
    from nnplug_nnssl.planning import FineTuning, like_pretraining

    if (spacing is not None) != (mode == FIXED) or (spacing is not None and (len(spacing) != 3 or min(spacing) <= 0)):
        raise NnplugError(f"-am {mode} with -os {spacing or 'not given'}: -am fixed takes three mm, the others none")
    call, workspace = preparation.call, preparation.workspace
    bases = [base for base in BASES if workspace.plans(base).is_file()]
    if not bases:
        raise NnplugError(f"{workspace.folder}: no plans. Run nnUNetv2_plan_experiment -d {workspace.dataset}")
    base: Plans = load_plans(workspace.plans(bases[0]), CONFIGURATION, TrainerChoice(), call.plugins.registry)
    rule: Any = SPACINGS.get(mode) or tuple(spacing[axis] for axis in base.transpose_backward)  # type: ignore[index]
    choices = FineTuning(spacing=rule)
    plans = like_pretraining(base, pretraining, choices, plugins=call.plugins, progress=call.progress)
    planned = plans.configuration(CONFIGURATION)
    mm = "_".join("None" if mode == "no_resample" else f"{one:.2f}" for one in planned.spacing)
    norms = "_".join("Z" for _ in planned.normalization)
    named = f"ptPlans__{name}____Spacing__{mm}___Norm__{norms}"
    raw = read_raw(workspace.plans(bases[0]))
    _write(preparation, plans, pretraining, named, name, raw)
    return named


def plan_like_dynamic(preparation: Preparation, pretraining: Pretraining, *, name: str, base: str) -> str:
    """Write plans that keep the network of other plans and name a checkpoint; return their name.

    Raises:
        NnplugError: there are no such plans, or they have no configuration of volumes.
    """
    workspace, registry = preparation.workspace, preparation.call.plugins.registry
    plans = load_plans(workspace.plans(base), CONFIGURATION, TrainerChoice(), registry)
    named = f"ptPlans_dynamic__{name}"
    _write(preparation, plans, pretraining, named, name, read_raw(workspace.plans(base)))
    return named


def fine_tuning_plans(workspace: NnunetWorkspace, name: str, *, from_scratch: bool) -> tuple[str, str | None]:
    """Return the name of the plans to train with, and the path of the checkpoint that they name.

    For a training from scratch they are copied with another name, so that its results do not replace the others, and
    share the prepared cases.

    Raises:
        NnplugError: the plans are missing, or name no checkpoint.
    """
    from nnplug.runtime.json_files import write_json

    raw = read_raw(workspace.plans(name))
    if not isinstance(raw.get(INFO), dict):
        raise NnplugError(
            f"{workspace.plans(name)}: has no {INFO!r}. Make plans with nnUNetv2_preprocess_like_nnssl or "
            "nnUNetv2_plan_like_dynamic"
        )
    if not from_scratch:
        checkpoint = raw[INFO].get(CHECKPOINT)
        return name, None if checkpoint is None else str(checkpoint)
    scratch = f"{name}__from_scratch"
    write_json(workspace.plans(scratch), {**raw, "plans_name": scratch, INFO: {**raw[INFO], CHECKPOINT: None}})
    for configuration in raw["configurations"]:
        shared = workspace.preprocessed(scratch, configuration)
        if not shared.exists():
            shared.symlink_to(workspace.preprocessed(name, configuration).name)
    return scratch, None


def with_start(call: Call, job: TrainingJob, checkpoint: str | None, tuner: FineTuner, *, go_on: bool) -> TrainingJob:
    """Return the job with the adapted weights of a checkpoint as its start.

    They are stored beside the fold, because `--c` needs the same start, also where the checkpoint is gone.

    Raises:
        NnplugError: the checkpoint is missing or does not fit, or nnplug-nnssl is not installed.
    """
    from nnplug.runtime.files import remove_folder

    place = job.run.path.with_name(f"pretrained_{job.run.path.name}")
    if go_on:
        return replace(job, pretrained=place) if place.is_dir() else job
    if checkpoint is None:
        remove_folder(place)
        return job
    pretraining = open_checkpoint(call, checkpoint)
    from nnplug_nnssl.start import Loading, write_start

    write_start(
        place,
        pretraining,
        job.plans,
        job.configuration,
        job.description,
        loading=Loading(exact=tuner.exact),
        registry=call.plugins.registry,
        progress=call.progress,
    )
    return replace(job, pretrained=place)


def _write(
    preparation: Preparation, plans: Plans, pretraining: Pretraining, named: str, name: str, base: Mapping[str, Any]
) -> None:
    """Write the configuration of volumes in nnU-Net's layout, with the keys that nnU-Net's fine-tuning reads."""
    import msgspec

    from nnplug.runtime.json_files import write_json
    from nnplug_nnunet.nnunet_models import plans_to_nnunet

    plan, description = pretraining.plan, preparation.dataset.description
    raw = plans_to_nnunet(msgspec.structs.replace(plans, name=named), (CONFIGURATION,), description)
    kept = {key: base[key] for key in ("image_reader_writer", "experiment_planner_used") if key in base}
    info = {
        CHECKPOINT: str(pretraining.path.absolute()),
        "checkpoint_name": name,
        "key_to_encoder": plan.key_to_encoder,
        "key_to_stem": plan.key_to_stem,
        "keys_to_in_proj": list(plan.keys_to_in_proj),
        "key_to_lpe": plan.key_to_lpe,
        "pt_num_in_channels": plan.pretrain_num_input_channels,
        "pt_used_patchsize": None if plan.key_to_lpe is None else list(pretraining.patch_size),
        "pt_recommended_downstream_patchsize": list(plan.recommended_downstream_patchsize),
        "citations": list(pretraining.citations),
    }
    write_json(preparation.workspace.plans(named), {**raw, **kept, INFO: info})


def _check_installed() -> None:
    from importlib.util import find_spec

    if find_spec("nnplug_nnssl") is None:
        raise NnplugError("checkpoints of nnssl need nnplug-nnssl. Run: pip install 'nnplug[nnssl]'")
