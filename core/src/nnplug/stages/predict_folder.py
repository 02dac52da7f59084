"""Prediction of many images: the next is read while the network works on one and the last is exported."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nnplug.data.cases import check_numbers
from nnplug.data.dataset import FILE_ENDINGS, CaseFiles, channel_number, group_channels, image_cases
from nnplug.data.frame import Frame
from nnplug.data.images import Geometry, read_image, write_label
from nnplug.data.store import Prepared
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.runtime.files import explained, write_json
from nnplug.runtime.progress import Advance, Progress
from nnplug.stages.predict import Predictor, check_image
from nnplug.stages.probabilities import write_probabilities

LOG = "predictions.jsonl"
"""In the output folder: a line per finished case with what its prediction depends on."""

_READ_AHEAD = 1
_EXPORT_BEHIND = 1  # the logits of one case are exported while the network works on the next


class _Read(NamedTuple):
    geometry: Geometry
    prepared: Prepared | None  # None where the image is zero everywhere


class _Predicted(NamedTuple):
    logits: torch.Tensor
    frame: Frame


def find_cases(inputs: Sequence[Path], ending: str) -> tuple[CaseFiles, ...]:
    """The cases of folders and files.

    Args:
        inputs: folders with CASE_0000, CASE_0001 .. of that ending; or image files of any type that nnplug reads, of
            which those without a channel number are a case each.
        ending: of the model's training images.

    Raises:
        Problems: a path is missing or no image, a folder has no images, or two cases have one name; a line each.
    """
    failures: list[str] = []
    files: dict[str, list[Path]] = {}
    cases: list[CaseFiles] = []
    for path in inputs:
        if path.is_dir():
            found = image_cases(path, ending)
            cases += found
            if not found:
                failures.append(f"{path}: holds no images called CASE_0000{ending}; rename them, or give the files")
        elif (own := _ending(path)) is None or not path.is_file():
            failures.append(f"{path}: {_no_image(path)}")
        else:
            files.setdefault(own, []).append(path)
    for own, paths in files.items():
        cases += group_channels(paths, own)
        cases += [CaseFiles(p.name.removesuffix(own), (p,)) for p in paths if channel_number(p, own) is None]
    names = [case.name for case in cases]
    failures += [f"{name}: two inputs have this name; predict them apart" for name in names if names.count(name) > 1]
    if failures:
        raise Problems(tuple(dict.fromkeys(failures)))
    return tuple(sorted(cases, key=lambda case: case.name))


def predict_folder(
    predictor: Predictor,
    cases: Sequence[CaseFiles],
    output: Path,
    *,
    resume: bool = False,
    save_probabilities: bool = False,
    progress: Progress,
) -> None:
    """Predict cases into a folder: CASE with the input's ending, plans.json and dataset.json.

    An image that is zero everywhere gives background and a notice.

    Args:
        predictor: the model.
        cases: see `find_cases`.
        output: is made where it is missing; label maps in it are replaced.
        resume: keep what an earlier call with the same model, settings and unchanged inputs has finished.
        save_probabilities: write CASE.npz too, see `write_probabilities`.
        progress: where to report.

    Raises:
        Problems: some cases failed, a line each with case and cause; the others are predicted.
    """
    job = _Job(predictor, output, progress, save_probabilities=save_probabilities)
    with explained(output):
        output.mkdir(parents=True, exist_ok=True)
    predictor.model.plans.write(output / "plans.json")
    write_json(output / "dataset.json", dict(predictor.model.description.raw))
    finished = job.finished(cases) if resume else set()
    missing = [case for case in cases if case.name not in finished]
    with progress.task("predict", len(cases), done=len(finished)) as advance:
        job.run(missing, advance)
    if job.failures:
        raise Problems(job.failures)


@dataclass
class _Job:
    """One call of `predict_folder`: a thread that reads, this one that predicts, and a thread that exports."""

    predictor: Predictor
    output: Path
    progress: Progress
    save_probabilities: bool
    failures: list[str] = field(default_factory=list)

    def run(self, cases: Sequence[CaseFiles], advance: Advance) -> None:
        exports: deque[tuple[CaseFiles, Future[None]]] = deque()
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            try:
                for case, read in _ahead(reader, self._read, cases):
                    with self._noted(case):
                        geometry, prepared = read.result()
                        predicted = self._predict(case, prepared)
                        exports.append((case, writer.submit(self._export, case, geometry, predicted)))
                        del prepared, predicted  # else they stay until the next case has its own
                    while len(exports) > _EXPORT_BEHIND:
                        self._finish(*exports.popleft(), advance)
                while exports:
                    self._finish(*exports.popleft(), advance)
            except BaseException:  # Ctrl-C: what waits is not begun
                reader.shutdown(wait=False, cancel_futures=True)
                writer.shutdown(wait=False, cancel_futures=True)
                raise

    def finished(self, cases: Sequence[CaseFiles]) -> set[str]:
        """Names of the cases whose outputs are there and depend on what they would depend on now."""
        log = self._log()
        return {
            case.name
            for case in cases
            if log.get(case.name) == self._depends_on(case) and all(path.is_file() for path in self._outputs(case))
        }

    def _read(self, case: CaseFiles) -> _Read:
        check_channel_numbers(case)
        image = read_image(case.images)
        check_image(image, self.predictor.model.description.channel_names)
        check_numbers(case, image.array)
        return _Read(image.geometry, self.predictor.prepare(image) if image.array.any() else None)

    def _predict(self, case: CaseFiles, prepared: Prepared | None) -> _Predicted | None:
        if prepared is None:
            self.progress.notice(f"{case.name}: the image is zero everywhere; its label map is all background")
            return None
        passes = self.predictor.passes(prepared.image.shape[1:])
        with self.progress.task(f"predict {case.name}", passes) as advance:
            return _Predicted(self.predictor.logits(prepared.image, report=lambda: advance("")), prepared.frame)

    def _export(self, case: CaseFiles, geometry: Geometry, predicted: _Predicted | None) -> None:
        label_file, *probability_files = self._outputs(case)
        write_label(label_file, self._label_map(geometry, predicted), geometry)
        for path in probability_files:
            shape = (self.predictor.model.description.labels.outputs, *geometry.shape)
            volumes = (
                _background(self.predictor, geometry) if predicted is None else self.predictor.probabilities(*predicted)
            )
            write_probabilities(path, volumes, shape)
        self._note_finished(case)

    def _label_map(self, geometry: Geometry, predicted: _Predicted | None) -> npt.NDArray[np.integer[Any]]:
        if predicted is None:
            return np.zeros(geometry.shape, np.uint8)
        return self.predictor.postprocess(self.predictor.labels(*predicted), geometry.spacing)

    def _finish(self, case: CaseFiles, export: Future[None], advance: Advance) -> None:
        with self._noted(case):
            export.result()
            advance(case.name)

    @contextmanager
    def _noted(self, case: CaseFiles) -> Iterator[None]:
        """Keep what users can cause for the report at the end, so that one bad case does not lose the others."""
        try:
            yield
        except NnplugError as error:
            self.failures.append(f"{case.name}: {error}")
        except (OSError, MemoryError, ValueError, RuntimeError) as error:
            self.failures.append(f"{case.name}: {type(error).__name__}: {' '.join(str(error).splitlines()[:1])}")

    def _outputs(self, case: CaseFiles) -> list[Path]:
        ending = _ending(case.images[0]) or ""
        paths = [self.output / f"{case.name}{ending}"]
        return [*paths, self.output / f"{case.name}.npz"] if self.save_probabilities else paths

    def _depends_on(self, case: CaseFiles) -> str:
        """A hash over the inputs and all that decides the outputs."""
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in case.images if file.exists()]
        return hashlib.sha256(json.dumps([stats, self._settings]).encode()).hexdigest()[:16]

    @cached_property
    def _settings(self) -> str:
        """Model and settings; weights count by content, as each call unpacks those of a zip anew."""
        predictor, model = self.predictor, self.predictor.model
        identity = [
            [stage.plans.digest(), stage.configuration, stage.postprocessing, [*map(_digest, stage.weights)]]
            for stage in model.stages
        ]
        settings = [predictor.mirror_axes, predictor.step, self.save_probabilities]
        return json.dumps([identity, settings], sort_keys=True)

    def _note_finished(self, case: CaseFiles) -> None:
        path = self.output / LOG
        with explained(path), path.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"case": case.name, "depends_on": self._depends_on(case)}) + "\n")

    def _log(self) -> Mapping[str, str]:
        path = self.output / LOG
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return dict(entry for line in lines if (entry := _entry(line)) is not None)


def check_channel_numbers(case: CaseFiles) -> None:
    """Refuse files whose numbers leave a gap: a later channel would be taken for a missing one.

    Raises:
        InvalidFile: as said.
    """
    ending = _ending(case.images[0]) or ""
    numbers = [channel_number(file, ending) for file in case.images]
    if numbers != [None] and numbers != list(range(len(numbers))):
        absent = next(i for i in range(len(numbers) + 1) if i not in numbers)
        raise InvalidFile(f"{case.images[0].parent}: {case.name}_{absent:04d}{ending} is missing; add the channel")


def _ahead(
    pool: ThreadPoolExecutor, function: Any, cases: Sequence[CaseFiles]
) -> Iterator[tuple[CaseFiles, Future[_Read]]]:
    waiting: deque[tuple[CaseFiles, Future[_Read]]] = deque()
    for case in cases:
        waiting.append((case, pool.submit(function, case)))
        if len(waiting) > _READ_AHEAD:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _background(predictor: Predictor, geometry: Geometry) -> Iterator[npt.NDArray[np.float32]]:
    labels = predictor.model.description.labels
    for output in range(labels.outputs):
        yield np.full(geometry.shape, float(output == 0 and not labels.has_regions), np.float32)


def _entry(line: str) -> tuple[str, str] | None:
    """A line of the log; one that a kill cut short does not count."""
    try:
        entry = json.loads(line)
        return str(entry["case"]), str(entry["depends_on"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return None


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _ending(path: Path) -> str | None:
    return next((ending for ending in FILE_ENDINGS if path.name.endswith(ending)), None)


def _no_image(path: Path) -> str:
    if not path.exists():
        return "no such file or folder; give a folder of images, or image files"
    return f"no image that nnplug reads; it reads {', '.join(FILE_ENDINGS)}"
