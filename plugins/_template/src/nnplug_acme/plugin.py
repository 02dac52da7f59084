"""The entries of this package. nnplug calls these functions once; implementations are imported when they are chosen."""

from __future__ import annotations

from collections.abc import Iterable

# All that a plugin's module needs. Import nothing heavy here, such as torch: every listing runs this file.
from nnplug import ArchitectureComponent, PlannerComponent, Recipe, TrainerComponent, hookimpl


# The function's name says the kind; a misspelt one is an error. `nnplug.hookspecs` lists all of them.
@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Rules from a dataset's fingerprint to plans."""
    yield PlannerComponent(
        # What users type, and what plans and models record: begin it with the plugin's name and never change it.
        name="acme",
        # Where the implementation is: a class whose keyword arguments are its options.
        target="nnplug_acme.planner:SmallPlanner",
        # The line in `nnplug components`.
        summary="nnU-Net's rules for 4 GB and a narrower network",
    )


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Networks."""
    yield ArchitectureComponent(
        name="acme-unet",
        target="nnplug_acme.architecture:SmallUNet",
        summary="U-Net with added skips and group normalisation, 2D and 3D",
        # Raise it when weights of an older version cannot be loaded any more: prediction then says which to install.
        state_version=1,
        # What the class can do beyond the contract: it has `options_for`, so planners decide its stages.
        takes_topology=True,
    )


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Training procedures."""
    yield TrainerComponent(
        name="acme",
        target="nnplug_acme.trainer:ShortTrainer",
        summary="AdamW with a cosine schedule, 100 epochs",
        # What nnU-Net's loop, from which it inherits, can do: cascades, several GPUs, more epochs for a finished run.
        takes_previous_stage=True,
        takes_several_devices=True,
        extends_runs=True,
        # The voxels that its patches are centred on, drawn when cases are preprocessed.
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )


# A recipe is a word for several choices: `nnplug run DATASET --recipe acme`.
@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """This package's components together; kinds that are left out are those of the default recipe."""
    yield Recipe(
        name="acme",
        # Names, also those of other packages: they are looked up when somebody plans with the recipe.
        choices={"planner": "acme", "architecture": "acme-unet", "trainer": "acme"},
        summary="small and quick",
        # As `--set trainer.mirroring=false` would say it; the user's own `--set` wins.
        options={"trainer": {"mirroring": False}},
    )
