"""Predict an image again where its values overflow or the memory of the device is too small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from nnplug.contracts import InferenceContext
from nnplug.contracts.attributed.inference import AttributedInference
from nnplug.errors import OutOfResources
from nnplug.inference.fitting.finite import FiniteCheck, NotFinite
from nnplug.models.network import MemberNetwork
from nnplug.registry.attribution import name_of
from nnplug.remedies import Action
from nnplug.runtime.device import memory_in_words, release_memory
from nnplug.runtime.device_memory import lacks_memory
from nnplug.runtime.progress import Progress
from nnplug.words import by_axis

T = TypeVar("T")
Report = Callable[[], None]
Work = Callable[[AttributedInference, FiniteCheck, Report], T]
"""Predicts an image with an inference, gives its logits to the check, and calls the report."""


class Reports:
    """Reports of progress that are passed on once, although an image is predicted in several attempts."""

    def __init__(self, report: Report, most: int) -> None:
        """Store the report; it is called `most` times at most."""
        self._report, self._most = report, most
        self._told = self._here = 0

    def restart(self) -> None:
        """Begin another attempt."""
        self._here = 0

    def __call__(self) -> None:
        """Report, unless an earlier attempt did."""
        self._here += 1
        if self._told < self._here <= self._most:
            self._told = self._here
            self._report()


class Attempts:
    """The predictions of a member: each is repeated until its values are finite and its memory is enough.

    What one image needed is kept for the next ones: smaller batches, sums on the host, the check of each pass.

    Attributes:
        inference: the inference with the present settings.
    """

    def __init__(self, network: MemberNetwork, inference: AttributedInference, progress: Progress) -> None:
        """Begin with the settings of `inference`; `progress` receives notices of other ones."""
        self.inference = inference
        self._network, self._progress = network, progress

    def run(self, work: Work[T], image: torch.Tensor, report: Reports, *, case: str) -> T:
        """Return the result of `work`.

        Args:
            work: predicts the image.
            image: the image (C, z, y, x), for messages.
            report: the reports of all attempts.
            case: the name of the image, for messages.

        Raises:
            NotFinite: the network gives values that are not finite in float32.
            OutOfResources: the device has too little memory for one window, with the sums on the host.
        """
        begun = self.inference.context
        while True:
            report.restart()
            try:
                result = self._finite(work, report, case)
            except RuntimeError as error:
                if not lacks_memory(error):
                    raise
                self._reduce(image, error)
            else:
                self._report_reduced(begun)
                return result
            release_memory(begun.device)  # not in the block above, whose error holds the memory

    def _finite(self, work: Work[T], report: Reports, case: str) -> T:
        overflow = self._network.overflow
        try:
            result = self._once(work, report)
        except NotFinite:
            if self._network.half is None or overflow.repair:
                raise
            overflow.repair = True
        else:
            self._report_repaired(case)
            return result
        report.restart()
        result = self._once(work, report)
        self._report_repaired(case)
        return result

    def _once(self, work: Work[T], report: Reports) -> T:
        self._network.overflow.start()
        check = FiniteCheck(self._failure())
        result = work(self.inference, check, report)
        check.finish()
        if self._network.overflow.found():
            raise self._failure()
        return result

    def _failure(self) -> NotFinite:
        components = f"{self._network.title}, {name_of(self.inference.inference)}"
        return NotFinite(f"the network gave values that are not finite ({components})", Action.PREDICT_PRECISELY())

    def _report_repaired(self, case: str) -> None:
        overflow = self._network.overflow
        if overflow.repaired:
            self._progress.notice(
                f"{case}: {overflow.repaired} of {overflow.windows} windows and mirror images are not finite in "
                f"{str(self._network.half).removeprefix('torch.')}; they are computed again in float32"
            )

    def _reduce(self, image: torch.Tensor, error: RuntimeError) -> None:
        """Halve the batch, or put the sums on the host; raise `OutOfResources` if both are done."""
        context = self.inference.context
        if context.batch_size > 1:
            context = replace(context, batch_size=context.batch_size // 2)
        elif context.sums_on_device:
            context = replace(context, sums_on_device=False)
        else:
            raise out_of_memory(context, len(image), f"; the image has {by_axis(image.shape[1:])} voxels") from error
        self.inference = replace(self.inference, context=context)

    def _report_reduced(self, begun: InferenceContext) -> None:
        now = self.inference.context
        if now.batch_size < begun.batch_size:
            self._progress.notice(
                f"the device has too little free memory for {begun.batch_size} windows at once; from here on it "
                f"predicts {now.batch_size} at once"
            )
        if begun.sums_on_device and not now.sums_on_device:
            self._progress.notice(
                "the device has too little free memory for the sums of windows; from here on they are on the CPU"
            )


def out_of_memory(context: InferenceContext, channels: int, image: str = "") -> OutOfResources:
    """Return the error that one window does not fit; `image` adds the size of the image."""
    return OutOfResources(
        f"the device {str(context.device)!r} has too little memory for one window of {by_axis(context.patch_size)} "
        f"voxels with {channels} channels and {context.outputs} outputs{image}{memory_in_words(context.device)}",
        Action.PREDICT_IN_MORE_MEMORY(),
    )
