"""nnU-Net's trainer classes as components and options of nnplug."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nnplug.errors import UnknownComponent

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class TrainerChoice:
    """A trainer component, and what its name in nnU-Net stands for besides.

    Attributes:
        component: its name in nnplug.
        options: kind -> option -> value, for the trainer and the components that it uses.
        named: kind -> component, where it is not nnU-Net's default: a loss, an augmenter.
        fields: fields of the trained configuration, as `--set plan.KEY` sets them.
        network: name and options of the trained configuration's network; None for that of the plans.
    """

    component: str = "nnunet"
    options: Options = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    network: tuple[str, Mapping[str, Any]] | None = None

    def with_training(self, **options: Any) -> TrainerChoice:
        """Return the choice with more options of the trainer."""
        return replace(self, options={**self.options, "trainer": {**self.options.get("trainer", {}), **options}})


def _training(**options: Any) -> TrainerChoice:
    return TrainerChoice(options={"trainer": options})


def _augmenting(options: Mapping[str, Any], name: str | None = None, **training: Any) -> TrainerChoice:
    return TrainerChoice(
        options={"trainer": training, "augmenter": options}, named={} if name is None else {"augmenter": name}
    )


def _loss(name: str, **options: Any) -> TrainerChoice:
    return TrainerChoice(options={"loss": options}, named={"loss": name})


def _primus(size: str, *, fields: Mapping[str, Any] | None = None, initial_lr: float = 3e-4) -> TrainerChoice:
    training = {**_PRIMUS, "initial_lr": initial_lr}
    return TrainerChoice(options={"trainer": training}, fields=fields or {}, network=("primus", {"size": size}))


_PRIMUS: Mapping[str, Any] = {
    "optimizer": "adamw",
    "betas": [0.9, 0.98],
    "weight_decay": 0.05,
    "warmup_epochs": 50,
    "gradient_clip": 1.0,
    "deep_supervision": False,
}
_PROBABILITIES = (
    *("p_rotation", "p_scaling", "p_noise", "p_blur", "p_brightness", "p_contrast", "p_low_resolution"),
    *("p_gamma_inverted", "p_gamma"),
)
_NO_AUGMENTATION = {
    **dict.fromkeys(_PROBABILITIES, 0.0),
    "rotation": 0.0,
    "rotation_in_plane": 0.0,
    "rotation_elongated": 0.0,
}
_ERRORS_OF_EVERY_LABEL = {"p_previous_morphology_label": 1.0, "p_previous_removal_label": 1.0}
_NEAREST_LABELS = {"label_interpolation": "nearest"}
_NEAREST_LABELS_ALONE = {**_NEAREST_LABELS, **_ERRORS_OF_EVERY_LABEL}
_DA5 = "nnunet-da5"
_NOT_LAST: Mapping[str, Any] = {"unmirrored_axes": [-1]}

CLASSES: Mapping[str, TrainerChoice] = {
    "nnUNetTrainer": TrainerChoice(),
    "nnUNetTrainerNoMirroring": _training(mirroring=False),
    "nnUNetTrainer_onlyMirror01": _training(**_NOT_LAST),
    "nnUNetTrainer_onlyMirror01_DASegOrd0": _augmenting(_NEAREST_LABELS_ALONE, **_NOT_LAST),
    "nnUNetTrainer_onlyMirror01_DA5": _augmenting({}, _DA5, **_NOT_LAST),
    "nnUNetTrainerNoDA": _augmenting(_NO_AUGMENTATION, mirroring=False),
    "nnUNetTrainerDA5": _augmenting({}, _DA5),
    "nnUNetTrainerDA5ord0": _augmenting({"interpolation": "nearest", **_NEAREST_LABELS}, _DA5),
    "nnUNetTrainerDA5Segord0": _augmenting(_NEAREST_LABELS, _DA5),
    "nnUNetTrainer_DASegOrd0": _augmenting(_NEAREST_LABELS_ALONE),
    "nnUNetTrainer_noDummy2DDA": _augmenting({"in_plane": "never"}),
    "nnUNetTrainerNoDeepSupervision": _training(deep_supervision=False),
    "nnUNetTrainerBN": TrainerChoice(options={"architecture": {"norm": "batch"}}),
    "nnUNetTrainerDiceLoss": _training(loss="dice"),
    "nnUNetTrainerDiceCELoss_noSmooth": _loss("dice-ce", smooth=0.0),
    "nnUNetTrainerCELoss": _training(loss="ce"),
    "nnUNetTrainerTopk10Loss": _training(loss="topk"),
    "nnUNetTrainerTopk10LossLS01": _loss("topk", label_smoothing=0.1),
    "nnUNetTrainerDiceTopK10Loss": _training(loss="dice-topk"),
    "nnUNetTrainerCosAnneal": _training(schedule="cosine"),
    "nnUNetTrainer_warmup": _training(warmup_epochs=50),
    "nnUNetTrainerAdam": _training(optimizer="adamw", amsgrad=True),
    "nnUNetTrainerAdam1en3": _training(optimizer="adamw", amsgrad=True, initial_lr=1e-3),
    "nnUNetTrainerAdam3en4": _training(optimizer="adamw", amsgrad=True, initial_lr=3e-4),
    "nnUNetTrainerVanillaAdam": _training(optimizer="adam"),
    "nnUNetTrainerVanillaAdam1en3": _training(optimizer="adam", initial_lr=1e-3),
    "nnUNetTrainerVanillaAdam3en4": _training(optimizer="adam", initial_lr=3e-4),
    "nnUNetTrainerAdan": _training(optimizer="adan"),
    "nnUNetTrainerAdan1en1": _training(optimizer="adan", initial_lr=0.1),
    "nnUNetTrainerAdan1en3": _training(optimizer="adan", initial_lr=1e-3),
    "nnUNetTrainerAdan3en4": _training(optimizer="adan", initial_lr=3e-4),
    "nnUNetTrainerAdanCosAnneal": _training(optimizer="adan", schedule="cosine"),
    "nnUNetTrainer_probabilisticOversampling": _training(oversampled="random-whole"),
    "nnUNetTrainer_probabilisticOversampling_033": _training(oversampled="random"),
    "nnUNetTrainer_probabilisticOversampling_010": _training(oversampled="random", oversampling=0.1),
    "nnUNet_Trainer_BS8": TrainerChoice(fields={"batch_size": 8}),
    **{f"nnUNet_Primus_{size}_Trainer": _primus(size) for size in "SBML"},
    "nnUNet_Primus_M_Trainer_BS8": _primus("M", fields={"batch_size": 8}),
    "nnUNet_Primus_M_Trainer_BS8_2e4": _primus("M", fields={"batch_size": 8}, initial_lr=2e-4),
}
"""nnU-Net's class -> what it stands for. A name can end with _Nepochs and _NoMirroring."""

_TIMES = "it times a GPU and leaves no model; nnplug bench RUN measures a training"
_OTHER_STEM = "nnplug's Primus has no convolutional stem, which versions 2 and 3 have; give nnUNet_Primus_{}_Trainer"
_OTHER_PATCH = (
    'it changes the plans. Write "patch_size": [{0}, {0}, {0}], "batch_size": 1 into the configuration, and give '
    "nnUNet_Primus_{1}_Trainer"
)
REFUSED: Mapping[str, str] = {
    "nnUNetTrainerBenchmark_5epochs": _TIMES,
    "nnUNetTrainerBenchmark_5epochs_noDataLoading": _TIMES,
    "AbstractPrimus": "it is a base class without a network",
    **{f"_Primus_{size}_96_BS1": _OTHER_PATCH.format(96, size) for size in "SBM"},
    "_Primus_L_48_BS1": _OTHER_PATCH.format(48, "L"),
    **{f"nnUNet_PrimusV{v}{size}_Trainer": _OTHER_STEM.format(size) for v in (2, 3) for size in "SBML"},
}
"""Class of nnU-Net 2.8.1 -> why it has no component."""

_ENDING = re.compile(r"(_(?P<epochs>[1-9][0-9]*)ep(ochs?)?)?(?P<no_mirroring>_NoMirroring)?")


def find_trainer(name: str, plugged: Sequence[str]) -> TrainerChoice:
    """Return the trainer that `-tr` names: a class of nnU-Net, or a trainer of a plugin.

    Args:
        name: the name on the command line.
        plugged: names of the installed trainers.

    Raises:
        UnknownComponent: it is neither, or a class of nnU-Net that nnplug refuses; the message lists the trainers.
    """
    if name in plugged:
        return TrainerChoice(name)
    if name in REFUSED:
        raise UnknownComponent(f"trainer {name!r}: {REFUSED[name]}. Give another one with -tr.")
    for base in sorted(CLASSES, key=len, reverse=True):
        ending = _ENDING.fullmatch(name.removeprefix(base)) if name.startswith(base) else None
        if ending is not None:
            epochs = {"epochs": int(ending["epochs"])} if ending["epochs"] else {}
            return CLASSES[base].with_training(**epochs, **({"mirroring": False} if ending["no_mirroring"] else {}))
    raise UnknownComponent(
        f"no trainer is called {name!r}. There are {', '.join(CLASSES)}, each also with _Nepochs and _NoMirroring; "
        f"and by plugins: {', '.join(plugged)}. A trainer of your own is a plugin: nnplug plugins new NAME"
    )
