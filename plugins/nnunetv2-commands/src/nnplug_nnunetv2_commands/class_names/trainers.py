"""nnU-Net's trainer classes as options of nnplug's trainer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnplug.errors import UnknownComponent

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

Options = Mapping[str, Mapping[str, Any]]

CLASSES: Mapping[str, Options] = {
    "nnUNetTrainer": {},
    "nnUNetTrainerNoMirroring": {"trainer": {"mirroring": False}},
    "nnUNetTrainerNoDA": {"trainer": {"mirroring": False}, "augmenter": _NO_AUGMENTATION},
    "nnUNetTrainerNoDeepSupervision": {"trainer": {"deep_supervision": False}},
    "nnUNetTrainerDiceLoss": {"trainer": {"loss": "dice"}},
    "nnUNetTrainerCELoss": {"trainer": {"loss": "ce"}},
    "nnUNetTrainerTopk10Loss": {"trainer": {"loss": "topk"}},
    "nnUNetTrainerDiceTopK10Loss": {"trainer": {"loss": "dice-topk"}},
    "nnUNetTrainerCosAnneal": {"trainer": {"schedule": "cosine"}},
    "nnUNetTrainerBN": {"architecture": {"norm": "batch"}},
}
"""nnU-Net's class -> kind of component -> options. A name can end with _Nepochs and _NoMirroring."""

_NAME = re.compile(r"(?P<base>nnUNetTrainer[A-Za-z0-9]*)(_(?P<epochs>[0-9]+)epochs?)?(?P<no_mirroring>_NoMirroring)?")


@dataclass(frozen=True)
class TrainerChoice:
    """A trainer component, and the options that its name in nnU-Net stands for.

    Attributes:
        component: its name in nnplug.
        options: kind -> option -> value, for the trainer, the augmenter and the architecture.
    """

    component: str = "nnunet"
    options: Options = field(default_factory=dict)


def find_trainer(name: str, plugged: Sequence[str]) -> TrainerChoice:
    """Return the trainer that `-tr` names: a class of nnU-Net, or a trainer of a plugin.

    Args:
        name: the name on the command line.
        plugged: names of the installed trainers.

    Raises:
        UnknownComponent: it is neither; the message lists the trainers.
    """
    if name in plugged:
        return TrainerChoice(name)
    match = _NAME.fullmatch(name)
    if match is None or match["base"] not in CLASSES or match["epochs"] == "0":
        raise UnknownComponent(
            f"no trainer is called {name!r}. There are {', '.join(CLASSES)}, each also with _Nepochs and _NoMirroring; "
            f"and by plugins: {', '.join(plugged)}. A trainer of your own is a plugin: nnplug plugins new NAME"
        )
    options = {kind: dict(values) for kind, values in CLASSES[match["base"]].items()}
    training = options.setdefault("trainer", {})
    if match["epochs"]:
        training["epochs"] = int(match["epochs"])
    if match["no_mirroring"]:
        training["mirroring"] = False
    return TrainerChoice(options=options)
