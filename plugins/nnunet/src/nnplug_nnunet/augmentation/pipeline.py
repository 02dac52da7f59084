"""The transforms of one sample on the CPU, in torch and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nnplug.ops.one_hot import one_hot
from nnplug_nnunet.augmentation.sample import Sample
from nnplug_nnunet.augmentation.transforms import Transforms


@dataclass(frozen=True)
class Pipeline(Transforms):
    """The augmentation of one sample; see `nnplug.contracts.Augmentation`."""

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        label: npt.NDArray[np.int16],
        rng: np.random.Generator,
        *,
        previous: npt.NDArray[np.int16] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Return the augmented image (C, *patch) and label (*patch); see `nnplug.contracts.CascadeAugmentation`."""
        moved = None if previous is None else torch.from_numpy(previous)
        sample = Sample(torch.from_numpy(image), torch.from_numpy(label), moved)
        drawn = self.draw(rng, len(image))
        sample = self.spatial.crop(sample) if drawn.spatial is None else self.spatial.apply(sample, drawn.spatial)
        for transform, params in zip(self.after_spatial, drawn.effects, strict=True):
            if params is not None:
                sample = transform.apply(sample, params)
        sample = self.mask.apply(sample) if self.mask.channels else sample
        inputs = sample.image
        if sample.previous is not None:
            inputs = torch.cat((inputs, one_hot(sample.previous, self.previous_labels)))
        return inputs.numpy(), sample.label.clamp_(min=0).numpy()
