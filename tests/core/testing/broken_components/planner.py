"""nnU-Net's planner as the sound one, and planners that break one promise each."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from nnplug.plans.plans import Plans
from nnplug_nnunet.planning import NnunetPlanner


@dataclass(frozen=True, kw_only=True)
class Sound(NnunetPlanner):
    pass


class IgnoresBudget(Sound):
    """Takes the option and plans for the memory of its own device."""

    def plan(self, fingerprint, description, context):
        return NnunetPlanner().plan(fingerprint, description, context)


class IgnoresFingerprint(Sound):
    """Plans volumes as if all were the first that it was ever given."""

    def plan(self, fingerprint, description, context):
        if 1 < fingerprint.shapes_after_crop[0][0] < 100:
            spacing, shape = (1.5, 1.0, 1.0), (40, 56, 48)
            fingerprint = replace_shapes(fingerprint, spacing, shape)
        return super().plan(fingerprint, description, context)


def replace_shapes(fingerprint, spacing, shape):
    return msgspec.structs.replace(fingerprint, spacings=(spacing,) * 3, shapes_after_crop=(shape,) * 3)


class TakesFlatAsDeep(Sound):
    """Plans patches of three axes for images of one slice."""

    def plan(self, fingerprint, description, context):
        if fingerprint.shapes_after_crop[0][0] == 1:
            fingerprint = replace_shapes(fingerprint, (1.0, 1.0, 1.0), (64, 72, 64))
        return super().plan(fingerprint, description, context)


class Stubborn(Sound):
    """Takes its own trainer, whatever the user chose."""

    def plan(self, fingerprint, description, context):
        plans = super().plan(fingerprint, description, context)
        data = plans.data()
        data["choices"]["trainer"] = {"name": "mine", "options": {}}
        return Plans.from_data(data, "plans")


class MisstatesBudget(Sound):
    """Gives the target of its preset, whatever the option says, and plans for it."""

    def memory_target(self):
        return self.preset.memory_gb
