"""The entries of this package. nnplug calls these functions once; it imports a component when a user chooses it."""

from __future__ import annotations

from collections.abc import Iterable

# Everything that this module needs. Import nothing slow here, such as torch: every listing runs this file.
from nnplug import ArchitectureComponent, PlannerComponent, Recipe, TrainerComponent, hookimpl


# The function's name sets the kind; a misspelt name is an error. `nnplug.hookspecs` lists all names.
@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Yield a planner: rules from a dataset's fingerprint to plans."""
    yield PlannerComponent(
        # The name that users type, and that plans and models record: begin it with the plugin's name, never change it.
        name="acme",
        # The path of the implementation: a class whose keyword arguments are its options.
        target="nnplug_acme.planner:SmallPlanner",
        # The line in `nnplug components`.
        summary="nnU-Net's rules for 4 GB and a narrower network",
        # What it can beyond the contract: it has a method `memory_target`, inherited from nnU-Net's planner.
        plans_for_memory=True,
    )


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Yield the networks."""
    yield ArchitectureComponent(
        name="acme-unet",
        target="nnplug_acme.architecture:SmallUNet",
        summary="U-Net with added skips and group normalisation, 2D and 3D",
        # Raise it when this version cannot load older weights: prediction then names the version to install.
        state_version=1,
        # A capability beyond the contract: the class has `options_for`, so planners decide its stages.
        takes_topology=True,
    )


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Yield the training procedures."""
    yield TrainerComponent(
        name="acme",
        target="nnplug_acme.trainer:ShortTrainer",
        summary="AdamW with a cosine schedule, 100 epochs",
        # Capabilities inherited from nnU-Net's loop: cascades, several GPUs, more epochs for a finished run, memory.
        takes_previous_stage=True,
        takes_several_devices=True,
        takes_loss=True,
        takes_sampler=True,
        extends_runs=True,
        rehearses=True,
        # The voxels that its patches are centred on, drawn when cases are preprocessed.
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )


# A recipe is a name for several choices: `nnplug run DATASET --recipe acme`.
@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield this package's components together; the default recipe fills the other kinds."""
    yield Recipe(
        name="acme",
        # Names, also of other packages' components: they are looked up when a user plans with the recipe.
        choices={"planner": "acme", "architecture": "acme-unet", "trainer": "acme"},
        summary="small and quick",
        # The same as `--set trainer.mirroring=false`; the user's own `--set` takes precedence.
        options={"trainer": {"mirroring": False}},
    )
