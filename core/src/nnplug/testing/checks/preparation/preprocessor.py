"""The checks of `nnplug.contracts.Preprocessor`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from nnplug.arrays import LabelArray
from nnplug.contracts import Channel, Inverse, Normalizer, PreprocessingContext
from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Resampling
from nnplug.registry.entries import PreprocessorComponent
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, imports_no_torch, require
from nnplug.workspace.case_store import Prepared

SHAPE = (24, 32, 28)
SPACING = (1.5, 1.0, 0.75)
COARSER = (2.0, 1.5, 1.0)
"""The spacing of the plans in mm, transposed axes; the image has `SPACING`."""
SAME_GRID_DICE = 0.9
OTHER_GRID_DICE = 0.7
_CERTAIN = 10.0  # a logit


@dataclass(frozen=True)
class _Hundredth(Normalizer):
    """A normalizer that divides by 100."""

    zeroes_outside_mask: ClassVar[bool] = True

    def normalize(
        self,
        image: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_] | None,  # noqa: ARG002 - the contract's name
        intensity: IntensityStats | None,  # noqa: ARG002
    ) -> npt.NDArray[np.float32]:
        """See `nnplug.contracts.Normalizer`."""
        return image / np.float32(100)


def _bound(subject: Subject, *, transposed: bool = False) -> AttributedPreprocessing:
    """Bind the component to a configuration on the image's grid, or on a coarser one with other axes first."""
    channels = tuple(
        Channel(_Hundredth(), use_mask=False, intensity=samples.STATISTICS) for _ in range(samples.CHANNELS)
    )
    order, spacing = ((2, 0, 1), COARSER) if transposed else ((0, 1, 2), SPACING)
    context = PreprocessingContext("kit", "3d_kit", order, spacing, channels, Resampling(), samples.LABELS)
    preprocessor = subject.create()
    return AttributedPreprocessing(preprocessor, preprocessor.bind(context), samples.CHANNELS, samples.LABELS)


def _image() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
    """Return an image (C, z, y, x) as read, and its label map (z, y, x) with the values 0, 1 and 2."""
    image, label = samples.volume(0, SHAPE)
    return image, np.maximum(label, 0)


def _prepared(subject: Subject, *, transposed: bool = False) -> tuple[AttributedPreprocessing, Prepared]:
    own = _bound(subject, transposed=transposed)
    image, label = _image()
    return own, own.prepare(image, SPACING, label)


def _prepares(subject: Subject) -> None:
    for transposed in (False, True):
        image, label = _image()
        before = image.copy(), label.copy()
        own = _bound(subject, transposed=transposed)
        case = own.prepare(image, SPACING, label)
        require(np.isfinite(case.image).all(), "the prepared image has values that are not finite")
        assert case.label is not None, "checked by `AttributedPreprocessing`"
        unknown = sorted({*np.unique(case.label).tolist()} - {-1, *samples.LABELS.all_values})
        require(not unknown, f"the prepared label map has the values {unknown}, which the dataset does not have")
        same = np.array_equal(image, before[0]) and np.array_equal(label, before[1])
        require(same, "the image or the label map that was given has been changed")


def _predicts_as_it_trains(subject: Subject) -> None:
    own, with_label = _prepared(subject)
    alone = own.prepare(_image()[0], SPACING)
    require(alone.image.shape == with_label.image.shape, "without a label map the prepared image has another shape")
    require(_json(alone.info) == _json(with_label.info), "without a label map the information of the case is another")


def _returns_labels(subject: Subject) -> None:
    for transposed, least in ((False, SAME_GRID_DICE), (True, OTHER_GRID_DICE)):
        own, case = _prepared(subject, transposed=transposed)
        found = _label_map(own.inverse(_json(case.info)), _logits(case))
        _require_alike(found, _image()[1], least)


def _gives_probabilities(subject: Subject) -> None:
    own, case = _prepared(subject, transposed=True)
    inverse, logits = own.inverse(_json(case.info)), _logits(case)
    require(inverse.shape == SHAPE, f"the shape of the image was {SHAPE}, the inverse says {inverse.shape}")
    for regions in (False, True):
        planes = [plane.clone() for plane in inverse.probability_planes(logits, regions=regions)]
        shapes = {tuple(plane.shape) for plane in planes}
        expected = (len(logits), *SHAPE[1:])
        require(len(planes) == SHAPE[0] and shapes == {expected}, f"probability_planes gave {len(planes)} of {shapes}")
        volumes = np.stack([volume.copy() for volume in inverse.probabilities(logits, regions=regions)])
        whole = torch.stack(planes, 1).numpy()
        require(volumes.shape == whole.shape, f"probabilities gave {volumes.shape}, probability_planes {whole.shape}")
        require(np.abs(volumes - whole).max() < 1e-4, "probabilities and probability_planes differ")
        if not regions:
            require(np.abs(whole.sum(0) - 1).max() < 1e-4, "the probabilities of exclusive classes do not sum to 1")
            alike = float((whole.argmax(0) == _label_map(inverse, logits)).mean())
            require(alike > 0.99, "the label map is not that of the largest probability")


def _survives_storage(subject: Subject) -> None:
    own, case = _prepared(subject, transposed=True)
    inverse, logits = own.inverse(_json(case.info)), _logits(case)
    again = subject.create().read_inverse(_json(inverse.data()))
    same = np.array_equal(_label_map(again, logits), _label_map(inverse, logits))
    require(same, "an inverse that was stored as JSON and read gives another label map")


def _travels(subject: Subject) -> None:
    own, case = _prepared(subject)
    there: AttributedPreprocessing = pickle.loads(pickle.dumps(own))  # noqa: S301 - pickled in the line itself
    same = np.array_equal(there.prepare(*_arguments()).image, case.image)
    require(same, "in another process (after a pickle) the same image is prepared otherwise")


def _takes_previous_stage(subject: Subject) -> None:
    component = subject.entry.component
    if not (isinstance(component, PreprocessorComponent) and component.takes_previous_stage):
        raise NotChecked("its entry does not say takes_previous_stage=True, so that it is used in no cascade")
    fine, coarse = _bound(subject), _bound(subject)
    image, label = _image()
    refining = fine.prepare_refining(image, SPACING, label)
    case = coarse.prepare(image, SPACING, label)
    shape = fine.shape_of(_json(case.info))
    require(refining.image.shape[1:] == shape, f"shape_of says {shape}, the case has {refining.image.shape[1:]}")
    there = coarse.label_map_on(_logits(case), _json(case.info), shape)
    _require_alike(np.maximum(refining.image[-1], 0), there, SAME_GRID_DICE)


def _arguments() -> tuple[npt.NDArray[np.float32], tuple[float, float, float], npt.NDArray[np.int16]]:
    image, label = _image()
    return image, SPACING, label


def _json(data: Mapping[str, Any]) -> Any:
    """Return the data after writing and reading them as JSON."""
    return json.loads(json.dumps(data))


def _logits(case: Prepared) -> torch.Tensor:
    """Return logits (K, z, y, x) whose label map is the preprocessed one, with high probabilities."""
    assert case.label is not None, "prepared with one"
    known = np.where(np.isin(case.label, samples.LABELS.all_values), case.label, 0)
    labels = torch.from_numpy(known.astype(np.int64))
    return _CERTAIN * torch.nn.functional.one_hot(labels, samples.LABELS.outputs).movedim(-1, 0).float()


def _label_map(inverse: Inverse, logits: torch.Tensor) -> LabelArray:
    return inverse.label_map(logits.unbind(1), logits.shape[1])


def _require_alike(found: npt.NDArray[Any], expected: npt.NDArray[Any], least: float) -> None:
    require(found.shape == expected.shape, f"a label map of shape {expected.shape} came back as {found.shape}")
    for value in (1, 2):
        ours, theirs = found == value, expected == value
        dice = 2 * float((ours & theirs).sum()) / max(1.0, float(ours.sum()) + float(theirs.sum()))
        require(dice >= least, f"label {value} came back with a Dice of {dice:.2f}; expected at least {least}")


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "prepares an image with its label map": _prepares,
    "prepares without a label map alike": _predicts_as_it_trains,
    "takes a label map there and back": _returns_labels,
    "gives probabilities on the image's grid": _gives_probabilities,
    "stores the way back as JSON": _survives_storage,
    "works in other processes": _travels,
    "hands label maps to the next stage": _takes_previous_stage,
}
