"""nnU-Net's trainer classes that fine-tune a checkpoint of nnssl (master of July 2026), as options of nnplug."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnplug.errors import UnknownComponent
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice

DEFAULT = "PretrainedTrainer"
_FIELDS: Mapping[str, Any] = {"batch_size": 2}
_ADAMW: Mapping[str, Any] = {"optimizer": "adamw", "betas": [0.9, 0.98]}
_PRIMUS: Mapping[str, Any] = {**_ADAMW, "weight_decay": 0.05, "gradient_clip": 1.0}


@dataclass(frozen=True)
class FineTuner:
    """A trainer class that starts from a checkpoint.

    Attributes:
        options: the options of the trainer.
        scratch_lr: the learning rate with `--from_scratch`.
        exact: whether the network of the plans is that of the checkpoint. If not, the weights that fit are taken.
    """

    options: Mapping[str, Any]
    scratch_lr: float
    exact: bool = True

    def choice(self, *, from_scratch: bool) -> TrainerChoice:
        """Return the trainer, with the rate for random weights if `from_scratch` is set."""
        rate = {"initial_lr": self.scratch_lr} if from_scratch else {}
        return TrainerChoice(options={"trainer": {**self.options, **rate}}, fields=_FIELDS)


def _tuner(
    initial_lr: float, scratch_lr: float, others: Mapping[str, Any] | None = None, *, exact: bool = True, **options: Any
) -> FineTuner:
    common = {"initial_lr": initial_lr, "warmup_epochs": 50, "deep_supervision": False}
    return FineTuner({**common, **(others or {}), **options}, scratch_lr, exact)


def _sgd(**options: Any) -> FineTuner:
    return _tuner(1e-3, 1e-2, **options)


def _primus(**options: Any) -> FineTuner:
    return _tuner(1e-4, 3e-4, _PRIMUS, **options)


_EPOCHS_150: Mapping[str, Any] = {"epochs": 150, "warmup_epochs": 15}

CLASSES: Mapping[str, FineTuner] = {
    DEFAULT: _sgd(),
    "PretrainedTrainer_150ep": _sgd(**_EPOCHS_150),
    "PretrainedTrainer_300ep": _sgd(epochs=300, warmup_epochs=15),
    "PretrainedTrainer_smallerlr": _tuner(3e-5, 1e-4, weight_decay=0.05),
    "PretrainedTrainer_nomirroring": _sgd(mirroring=False),
    "PretrainedTrainer_150ep_nomirroring": _sgd(mirroring=False, **_EPOCHS_150),
    "PretrainedTrainer_adam__nomirroring": _sgd(mirroring=False),
    "PretrainedTrainer_adam_150ep": _primus(**_EPOCHS_150),
    "PretrainedTrainer_adam_150ep_nomirroring": _primus(mirroring=False, **_EPOCHS_150),
    "PretrainedTrainer_Primus": _primus(),
    "PretrainedTrainer_Primus_150ep": _primus(**_EPOCHS_150),
    "PretrainedTrainer_Primusx": _primus(),
    "PretrainedTrainer_Primusx_30ep": _primus(epochs=30, warmup_epochs=3),
    "PretrainedTrainer_Primusx_150ep": _primus(**_EPOCHS_150),
    "PretrainedTrainer_Primusx_300ep": _primus(epochs=300, warmup_epochs=15),
    "PretrainedTrainer_Primusx_smallerlr": _tuner(3e-5, 1e-4, _PRIMUS),
    "PretrainedTrainer_Primusx_150ep_lr3e4": _tuner(3e-4, 3e-4, _PRIMUS, epochs=150),
    "PretrainedTrainer_Primusx_nomirroring": _primus(mirroring=False),
    "PretrainedTrainer_Primusx_150ep_nomirroring": _primus(mirroring=False, **_EPOCHS_150),
    "DynamicPretrainedTrainer": _sgd(exact=False),
    "DynamicPretrainedTrainer_nomirroring": _sgd(exact=False, mirroring=False),
    "DynamicPretrainedTrainer_adam_150ep": _tuner(1e-4, 3e-4, {**_ADAMW, **_EPOCHS_150}, exact=False),
    "DynamicPretrainedTrainer_adam_150ep_nomirroring": _tuner(
        1e-4, 3e-4, {**_ADAMW, **_EPOCHS_150}, exact=False, mirroring=False
    ),
}
"""nnU-Net's class -> what it stands for. nnU-Net's own numbers, also where its name says something else."""

REFUSED: Mapping[str, str] = {
    "PretrainedTrainer_Primusx_150ep_small_debug": (
        'it changes the plans. Write "patch_size": [48, 48, 48] into the configuration, and give '
        "PretrainedTrainer_Primusx_150ep"
    )
}
"""Class of nnU-Net -> why it has no component."""

_EPOCHS = re.compile(r"(?P<base>.+)_(?P<epochs>[1-9][0-9]*)ep(ochs?)?")


def find_fine_tuner(name: str) -> FineTuner:
    """Return the trainer that `-tr` names; any of them can end with _Nep, with a tenth of the epochs as warm-up.

    Raises:
        UnknownComponent: there is no such class, or nnplug refuses it; the message lists the classes.
    """
    if name in REFUSED:
        raise UnknownComponent(f"trainer {name!r}: {REFUSED[name]}.")
    if name in CLASSES:
        return CLASSES[name]
    ending = _EPOCHS.fullmatch(name)
    if ending is not None and ending["base"] in CLASSES:
        base, epochs = CLASSES[ending["base"]], int(ending["epochs"])
        return replace(base, options={**base.options, "epochs": epochs, "warmup_epochs": epochs // 10})
    raise UnknownComponent(
        f"no trainer that starts from a checkpoint of nnssl is called {name!r}. There are {', '.join(CLASSES)}, each "
        "also with _Nep"
    )
