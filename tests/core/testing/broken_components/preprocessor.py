"""A sound preprocessor that keeps the image's grid, and preprocessors that break one promise each."""

from __future__ import annotations

import numpy as np

from nnplug.contracts import CropInverse
from nnplug.io.crop_info import CropInfo
from nnplug.ops.export import label_map
from nnplug.workspace.case_store import Prepared


class Sound:
    def bind(self, context):
        return Bound(context, self)

    def read_inverse(self, data):
        return CropInverse(CropInfo.from_data(data["frame"], "data"), data["axis"])

    def image(self, image, label):
        return image.copy()

    def label(self, label):
        return label.astype(np.int16)

    def shape(self, shape):
        return shape

    def inverse(self, crop_info):
        return CropInverse(crop_info, None)


class Bound:
    def __init__(self, context, rule):
        self.context, self.rule = context, rule

    def prepare(self, image, spacing, label=None):
        own = self.rule.image(image, label)
        mask = (own != 0).any(0)
        channels = zip(self.context.channels, own.copy(), strict=True)
        prepared = np.stack([channel.normalize(volume, mask) for channel, volume in channels])
        info = CropInfo(
            original_shape=image.shape[1:],
            original_spacing=spacing,
            transpose_forward=(0, 1, 2),
            bounding_box=tuple((0, n) for n in mask.shape),
            shape=mask.shape,
            spacing=spacing,
        )
        return Prepared(prepared, None if label is None else self.rule.label(label), info.data())

    def prepare_refining(self, image, spacing, previous):
        case = self.prepare(image, spacing)
        return Prepared(np.concatenate((case.image, previous[None]), dtype=np.float32), None, case.info)

    def inverse(self, info):
        return self.rule.inverse(CropInfo.from_data(info, "info"))

    def shape_of(self, info):
        return self.rule.shape(CropInfo.from_data(info, "info").shape)

    def label_map_on(self, logits, info, shape):
        return label_map(logits, shape)


class ShiftsLabel(Sound):
    def label(self, label):
        return np.roll(label, 1, axis=0).astype(np.int16)


class InPlace(Sound):
    def image(self, image, label):
        image += 1
        return image


class InventsLabels(Sound):
    """Interpolates label values as if they were intensities."""

    def label(self, label):
        return np.where(label == 1, 7, label).astype(np.int16)


class LooksAtLabel(Sound):
    """Leaves out the last slice where there is no label map to cover."""

    def image(self, image, label):
        return image[:, :-1] if label is None else image.copy()


class ForgetsLabels(Sound):
    """Reads another inverse than was stored."""

    def read_inverse(self, data):
        return Mirrored(super().read_inverse(data).crop_info, None)


class Mirrored(CropInverse):
    def label_map(self, planes, count, *, regions_class_order=None):
        return super().label_map(planes, count, regions_class_order=regions_class_order)[::-1]


class Overconfident(Sound):
    def inverse(self, crop_info):
        return Doubled(crop_info, None)


class Doubled(CropInverse):
    def probability_planes(self, logits, *, regions):
        planes = super().probability_planes(logits, regions=regions)
        return (2 * plane for plane in planes)


class Local(Sound):
    """Holds a function that no other process can have."""

    def __init__(self):
        self.rule = lambda image: image


class OtherShape(Sound):
    def shape(self, shape):
        return shape[0] + 1, *shape[1:]
