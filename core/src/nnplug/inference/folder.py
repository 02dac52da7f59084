"""Prediction of many images: the next is read while the network works on one and the last is exported."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnplug.dataset.cases import check_numbers
from nnplug.dataset.dataset import CaseFiles
from nnplug.dataset.sidecars import read_with
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.inference import resume_log
from nnplug.inference.ensemble import Ensemble
from nnplug.inference.inputs import check_channel_numbers, check_image
from nnplug.inference.loaded_model import LoadedModel
from nnplug.inference.logits import Logits, background, write_logits
from nnplug.inference.prediction_outputs import PredictionFiles, image_inputs
from nnplug.inference.probabilities import write_probabilities
from nnplug.io.images import Geometry, read_image, read_label, write_label
from nnplug.models.model_files import refuse_model
from nnplug.models.open import Model, Models
from nnplug.runtime.digests import sha256, state_digest
from nnplug.runtime.outputs import write_document
from nnplug.runtime.progress import Advance, Progress
from nnplug.runtime.threads import single_core_threads
from nnplug.workspace.case_store import Prepared

_READ_AHEAD = 1
_EXPORT_BEHIND = 1  # the logits of one case are exported while the network works on the next


class _Read(NamedTuple):
    geometry: Geometry
    prepared: Prepared | None  # None where the image is zero everywhere


_Said = list[Logits] | npt.NDArray[np.integer[Any]]
"""Of a case the logits of each model, or at once the label map of the only one."""


def predict_folder(
    ensemble: Ensemble,
    cases: Sequence[CaseFiles],
    output: Path,
    *,
    resume: bool = False,
    save_probabilities: bool = False,
    save_logits: bool = False,
    previous: Path | None = None,
    inputs: Sequence[Path] = (),
    replace: bool = False,
    progress: Progress,
) -> None:
    """Predict cases into a folder: CASE with the input's ending, plans.json (of the first model) and dataset.json.

    An image that is zero everywhere gives background and a notice.

    Args:
        ensemble: one model or several.
        cases: see `find_cases`.
        output: is made where it is missing; what nnplug wrote there is replaced.
        resume: keep what an earlier call with the same model, settings and unchanged inputs has finished.
        save_probabilities: write CASE.npz too, see `write_probabilities`.
        save_logits: write CASE.logits.zip too, see `nnplug.inference.logits`.
        previous: a folder of label maps that the previous stage of a cascade gave; None to have it predict here.
        inputs: what else must not be overwritten, besides images, weights and label maps of the previous stage.
        replace: whether files in `output` may be replaced that nnplug did not write, or that have changed since.
        progress: where to report.

    Raises:
        NnplugError: logits of an ensemble are asked for, which has none; or `output` is the folder of a model.
        Problems: files would be lost, see `nnplug.runtime.outputs.Outputs.check`; nothing is written.
        Problems: some cases failed, a line each with case and cause; the others are predicted.
    """
    check_outputs(ensemble, save_logits=save_logits)
    job = _Job(ensemble, output, progress, save_probabilities, save_logits, previous)
    refuse_model(output)
    finished = job.finished(cases) if resume else set()
    missing = [case for case in cases if case.name not in finished]
    plans, dataset = ensemble.members[0].model.plans.data(), dict(ensemble.description.raw)
    read = (*job.inputs(cases), *inputs)
    job.files.outputs(missing, read, plans=plans, dataset=dataset).claim(replace=replace)
    write_document(output / "plans.json", plans)
    write_document(output / "dataset.json", dataset)
    with progress.task("predict", len(cases), done=len(finished)) as advance:
        job.run(missing, advance)
    if job.failures:
        raise Problems(job.failures)


def check_outputs(models: Models | Ensemble, *, save_logits: bool) -> None:
    """Raise `NnplugError` where logits of an ensemble are asked for, which has none."""
    if save_logits and len(models.members) > 1:
        raise NnplugError("an ensemble averages probabilities and has no logits; save those of each model by itself")


@dataclass
class _Job:
    """One call of `predict_folder`: a thread that reads, this one that predicts, and a thread that exports."""

    ensemble: Ensemble
    output: Path
    progress: Progress
    save_probabilities: bool
    save_logits: bool
    previous: Path | None
    failures: list[str] = field(default_factory=list)

    def run(self, cases: Sequence[CaseFiles], advance: Advance) -> None:
        exports: deque[tuple[CaseFiles, Callable[[], None]]] = deque()
        with ThreadPoolExecutor(1) as reader, self._writer() as writer:
            reads = _ahead(reader, self._read, [(case, member) for case in cases for member in self.ensemble.members])
            try:
                for case in cases:
                    with self._noted(case):
                        export = partial(self._export, case, *self._predict(case, reads))
                        behind = case is not cases[-1]  # this thread has nothing else to do in the end
                        exports.append((case, writer.submit(export).result if behind else export))
                    while len(exports) > _EXPORT_BEHIND:
                        self._finish(*exports.popleft(), advance)
                while exports:
                    self._finish(*exports.popleft(), advance)
            except BaseException:  # Ctrl-C: what waits is not begun
                reader.shutdown(wait=False, cancel_futures=True)
                writer.shutdown(wait=False, cancel_futures=True)
                raise

    def _writer(self) -> ThreadPoolExecutor:
        """A thread that exports; beside a network on the CPU, it computes on one core."""
        on_cpu = self.ensemble.members[0].device.type == "cpu"
        return single_core_threads(1, "export") if on_cpu else ThreadPoolExecutor(1)

    def finished(self, cases: Sequence[CaseFiles]) -> set[str]:
        """Names of the cases whose outputs are there and depend on what they would depend on now."""
        log = resume_log.read(self.output)
        return {
            case.name
            for case in cases
            if log.get(case.name) == self._depends_on(case)
            and all(path.is_file() for path in self._outputs(case).values())
        }

    def _read(self, case: CaseFiles, member: LoadedModel) -> _Read:
        check_channel_numbers(case)
        image = read_image(case.images)
        check_image(image, member.model.description.channel_names)
        check_numbers(case, image.array)
        if not image.array.any():
            return _Read(image.geometry, None)
        return _Read(image.geometry, member.prepare(image, previous=self._previous(case, image.geometry)))

    def _previous(self, case: CaseFiles, geometry: Geometry) -> npt.NDArray[np.integer[Any]] | None:
        if self.previous is None:
            return None
        file = self.previous / self._outputs(case)["labels"].name
        label = read_label(file)
        if label.geometry.shape != geometry.shape:
            raise InvalidFile(f"{file}: has shape {label.geometry.shape}, its image {geometry.shape} (z, y, x)")
        return label.array

    def _predict(self, case: CaseFiles, reads: Iterator[Future[_Read]]) -> tuple[Geometry, _Said]:
        """What each model says of a case, one after the other; nothing where the image is zero everywhere."""
        own = islice(reads, len(self.ensemble.members))
        outputs: list[Logits] = []
        try:
            for member, read in zip(self.ensemble.members, own, strict=True):
                geometry, prepared = read.result()
                if prepared is not None and self._needs_logits:
                    outputs.append(self._logits(case, member, prepared))
                elif prepared is not None:
                    return geometry, self._labels(case, member, prepared)
        finally:
            deque(own, maxlen=0)  # what is left of a case that failed
        if not outputs:
            self.progress.notice(f"{case.name}: the image is zero everywhere; its label map is all background")
        return geometry, outputs

    @property
    def _needs_logits(self) -> bool:
        """Whether more is made of them than the label map of one model."""
        return len(self.ensemble.members) > 1 or self.save_probabilities or self.save_logits

    def _labels(self, case: CaseFiles, member: LoadedModel, prepared: Prepared) -> npt.NDArray[np.integer[Any]]:
        with self._task(case, member, prepared) as advance:
            return member.label_map(prepared.image, prepared.info, report=lambda: advance(""))

    def _task(self, case: CaseFiles, member: LoadedModel, prepared: Prepared) -> AbstractContextManager[Advance]:
        return self.progress.task(f"predict {case.name}", member.passes(prepared.image.shape[1:]))

    def _logits(self, case: CaseFiles, member: LoadedModel, prepared: Prepared) -> Logits:
        with self._task(case, member, prepared) as advance:
            logits = member.logits(prepared.image, report=lambda: advance(""))
        output = member.output(logits, prepared.info)
        return output if len(self.ensemble.members) == 1 else output.memmapped(self.output)

    def _export(self, case: CaseFiles, geometry: Geometry, said: _Said) -> None:
        files = self._outputs(case)
        if isinstance(said, np.ndarray):
            write_label(files["labels"], self.ensemble.postprocessed(said, geometry), geometry)
        else:
            self._export_logits(case, geometry, said)
        resume_log.note(self.output, case, depends_on=self._depends_on(case))

    def _export_logits(self, case: CaseFiles, geometry: Geometry, outputs: Sequence[Logits]) -> None:
        files = self._outputs(case)
        write_label(files["labels"], self.ensemble.label_map(outputs, geometry), geometry)
        if "probabilities" in files:
            shape = (self.ensemble.description.labels.outputs, *geometry.shape)
            volumes = self.ensemble.probabilities(outputs, geometry, self.output)
            write_probabilities(files["probabilities"], volumes, shape)
        if "logits" in files:
            write_logits(files["logits"], *(outputs or [background(geometry, self.ensemble.description.labels)]))

    def _finish(self, case: CaseFiles, export: Callable[[], None], advance: Advance) -> None:
        with self._noted(case):
            export()
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

    def inputs(self, cases: Sequence[CaseFiles]) -> tuple[Path, ...]:
        """Return every file that is read: images, label maps of the previous stage and weights."""
        models = [model for member in self.ensemble.members for model in member.model.stages]
        weights = [file for model in models for file in model.weights]
        before = [] if self.previous is None else [self.previous / self._outputs(c)["labels"].name for c in cases]
        return (*image_inputs(cases), *read_with(before), *weights)

    @property
    def files(self) -> PredictionFiles:
        """The names of what is written."""
        return PredictionFiles(self.output, self.save_probabilities, self.save_logits)

    def _outputs(self, case: CaseFiles) -> dict[str, Path]:
        """What is to be written of a case."""
        return self.files.of(case)

    def _depends_on(self, case: CaseFiles) -> str:
        """A hash over the inputs and all that decides the outputs."""
        files = [*case.images]
        if self.previous is not None:
            files.append(self.previous / self._outputs(case)["labels"].name)
        return state_digest(files, self._settings)

    @cached_property
    def _settings(self) -> str:
        """Models and settings."""
        members = [([*map(_identity, m.model.stages)], m.mirror_axes, m.step) for m in self.ensemble.members]
        rule = None if self.ensemble.rule is None else self.ensemble.rule.record.data()
        return json.dumps([members, rule, self.save_probabilities, self.save_logits], sort_keys=True)


def _ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[CaseFiles, LoadedModel], _Read],
    items: Sequence[tuple[CaseFiles, LoadedModel]],
) -> Iterator[Future[_Read]]:
    waiting: deque[Future[_Read]] = deque()
    for item in items:
        waiting.append(pool.submit(function, *item))
        if len(waiting) > _READ_AHEAD:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _identity(model: Model) -> list[Any]:
    """What a model is; weights count by content, as each call unpacks those of a zip anew."""
    return [model.plans.digest(), model.configuration, model.postprocessing, [*map(sha256, model.weights)]]
