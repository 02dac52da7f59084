"""Predict one received image: from its files to the files of the answer. It runs in the thread of the worker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import NnplugError, UnknownComponent
from nnplug.inference.outputs.writers import ChosenWriter, choose_writers
from nnplug.io.images import write_label
from nnplug.registry.components import Registry
from nnplug_server.image_checks import check_file, check_size
from nnplug_server.models import ServedModel
from nnplug_server.received_image import ReceivedImage
from nnplug_server.refusal import Refusal, refusal_of

SEG_WRITER = "dicom-seg"
"""The name of the writer of DICOM Segmentations, which nnplug-dicom offers."""


class Output(StrEnum):
    """The parts of an answer, in MONAI Label's words: `all` are the label map and the parameters."""

    IMAGE = "image"
    JSON = "json"
    ALL = "all"
    DICOM_SEG = "dicom_seg"


@dataclass(frozen=True)
class Parameters:
    """The parameters of a request.

    Attributes:
        ending: the ending of the label map's file, such as ".nrrd"; None for that of the image.
        series: the ids of the image series to take from an archive.
    """

    ending: str | None = None
    series: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Parameters:
        """Return the parameters in the field "params" of a form; those of MONAI Label that we do not use are ignored.

        Raises:
            Refusal: the text is no JSON object, or a value is invalid.
        """
        try:
            raw = json.loads(text or "{}")
        except ValueError as error:
            raise _invalid(f"params is {text[:100]!r}; expected JSON") from error
        if not isinstance(raw, dict):
            raise _invalid(f"params is {text[:100]!r}; expected a JSON object")
        ending, series = raw.get("result_extension"), raw.get("series") or []
        listed = [series] if isinstance(series, str) else series
        if ending is not None and not isinstance(ending, str):
            raise _invalid(f"params has the result_extension {ending!r}; expected an ending such as '.nrrd'")
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise _invalid(f"params has the series {series!r}; expected the id of a series")
        return cls(ending or None, tuple(listed))


@dataclass(frozen=True)
class Answer:
    """A predicted image.

    Attributes:
        parameters: JSON about it.
        file: the label map or the DICOM file; None if only the parameters are wanted.
    """

    parameters: Mapping[str, Any]
    file: Path | None


@dataclass(frozen=True)
class Prediction:
    """The work of one request; call it in the thread of the worker.

    Attributes:
        model: the model.
        image: the received image.
        parameters: the parameters of the request.
        output: the wanted parts of the answer.
        folder: the folder for the files of the answer.
        largest: the bytes that an image may have in memory.
        registry: the installed components.
    """

    model: ServedModel
    image: ReceivedImage
    parameters: Parameters
    output: Output
    folder: Path
    largest: int
    registry: Registry

    def __call__(self, report: Callable[[], None]) -> Answer:
        """Return the answer; `report` is called after each pass of the network.

        Raises:
            Refusal: the image cannot be predicted, or the answer not be written.
        """
        begin = time.monotonic()
        try:
            with self.model.told.collected() as lines:
                case = self._case()
                writer = self._writer(case)
                predicted = self.model.predictor.predict_case(case, report=report)
                file = self._write(predicted, writer)
        except Exception as error:  # noqa: BLE001 - any failure is a line for the client, and the server goes on
            refusal = refusal_of(error)
        else:
            return Answer(self._told(predicted, lines, time.monotonic() - begin), file)
        # Outside of the block: the error holds the frames in which it was raised, and these the voxels.
        raise Refusal(refusal.status, self.image.shown(refusal.line), refusal.headers)

    def _told(self, predicted: PredictedCase, lines: Sequence[str], seconds: float) -> dict[str, Any]:
        """Return the parameters of the answer."""
        return {
            "label_names": dict(self.model.label_values),
            "model": predicted.model,
            "model_version": predicted.model_version,
            "latencies": {"total": round(seconds, 3)},
            "warnings": [self.image.shown(line) for line in lines],
        }

    def _case(self) -> CaseFiles:
        for path in self.image.names:
            check_file(path, self.largest)
        case = self.model.case(self.image.path, self.parameters.series)
        check_size(case, self.largest)
        return case

    def _writer(self, case: CaseFiles) -> ChosenWriter | None:
        """Return the writer of the answer; None for a label map that a reader writes."""
        if self.output is not Output.DICOM_SEG:
            return None
        writer = seg_writer(self.registry)
        for line in writer.create().check(case, self.model.description):
            self.model.told.notice(line)
        return writer

    def _write(self, predicted: PredictedCase, writer: ChosenWriter | None) -> Path | None:
        if self.output is Output.JSON:
            return None
        if writer is not None:
            path = self.folder / f"labels{writer.ending}"
            writer.write(path, predicted)
            return path
        readers, image = predicted.case.readers, predicted.case.images[0]
        ending = self.parameters.ending or readers.label_ending(image)
        if ending.lower() not in readers.endings:
            raise _invalid(f"params has the result_extension {ending!r}; expected one of {', '.join(readers.endings)}")
        path = self.folder / f"labels{ending.lower()}"
        own = replace(readers, preferred="")  # that of the training reads images, and need not write this format
        write_label(path, predicted.label_map.array, predicted.label_map.geometry, own)
        return path


def seg_writer(registry: Registry) -> ChosenWriter:
    """Return the writer of DICOM Segmentations.

    Raises:
        Refusal: no plugin offers it.
    """
    try:
        (writer,) = choose_writers([SEG_WRITER], {}, registry)
    except UnknownComponent as error:
        line = "output=dicom_seg needs nnplug-dicom where the server runs: pip install 'nnplug[dicom]'"
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, line) from error
    except NnplugError as error:
        raise refusal_of(error) from error
    return writer


def _invalid(line: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, line)
