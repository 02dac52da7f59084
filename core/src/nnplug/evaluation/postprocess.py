"""Postprocessing rules: fitted on validation predictions, applied to folders of label maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nnplug.contracts import LabelledCase, Postprocessor
from nnplug.contracts.attributed import AttributingExecutor
from nnplug.dataset.dataset import FILE_ENDINGS, DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.dataset.sidecars import images_in, written_with
from nnplug.errors import InvalidPlugin
from nnplug.evaluation.evaluate import find_pairs, label_files
from nnplug.io.images import read_label, write_label
from nnplug.plans.plans import Choice
from nnplug.registry.attribution import attributed, expect, name_of
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import Provider, resolve
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import Executor
from nnplug.runtime.outputs import Outputs
from nnplug.runtime.progress import Progress
from nnplug.runtime.records import Record
from nnplug.workspace.run_record import check_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

SCHEMA = 1


class RuleRecord(Record, frozen=True, kw_only=True):
    """A fitted rule on disk: `rule.json`, and `postprocessing.json` of a bundle.

    Attributes:
        schema: version of this layout.
        provider: the postprocessor that fitted it.
        options: of the postprocessor.
        labels: the `labels` of `dataset.json`.
        regions_class_order: that of `dataset.json`.
        rule: what the postprocessor's `fit` returned.
    """

    schema: int = SCHEMA
    provider: Provider
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    labels: dict[str, Any]
    regions_class_order: list[int] | None = None
    rule: dict[str, Any]

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON; raises `InvalidFile` for a newer schema and for what does not belong there."""
        check_schema(data, SCHEMA, where, what="postprocessing rule")
        return super().from_data(data, where)


@dataclass(frozen=True)
class FittedRule:
    """A rule with the component that applies it."""

    record: RuleRecord
    postprocessor: Postprocessor
    labels: Labels

    @classmethod
    def load(cls, data: Any, plugins: Plugins, *, where: str, progress: Progress) -> Self:
        """Find the postprocessor of a rule.

        Args:
            data: the JSON of a `RuleRecord`, such as `Model.postprocessing`.
            plugins: what is installed here.
            where: how messages name the file.
            progress: told where the postprocessor has another version today.

        Raises:
            InvalidFile: `data` is no rule.
            MissingProvider: the postprocessor is not to be had; the message holds the remedy.
        """
        record = RuleRecord.from_data(data, where)
        entries, notes = resolve([record.provider], plugins, what="this postprocessing rule")
        for note in notes:
            progress.notice(note)
        postprocessor = entries[record.provider.kind, record.provider.name].create(record.options)
        return cls(record, postprocessor, Labels.from_data(record.labels, record.regions_class_order, where))

    def __call__(
        self, label_map: npt.NDArray[np.integer[Any]], spacing: Sequence[float]
    ) -> npt.NDArray[np.integer[Any]]:
        """Apply the rule to a (z, y, x) label map with spacing in mm."""
        with attributed(self.postprocessor):
            result = self.postprocessor.apply(label_map, self.record.rule, spacing=spacing, labels=self.labels)
            shape = result.shape
        if shape != label_map.shape:
            raise InvalidPlugin(
                f"{name_of(self.postprocessor)} gave a label map of shape {shape} for one of {label_map.shape}"
            )
        return result


def fit(
    references: Path,
    predictions: Path,
    description: DatasetDescription,
    runtime: Runtime,
    *,
    choice: Choice,
) -> RuleRecord:
    """Fit a rule on validation predictions.

    Args:
        references: a folder of label maps.
        predictions: a folder of label maps of the same names.
        description: labels, regions, ignore label and file ending.
        runtime: plugins that offer the postprocessor, and the executor that reads cases in parallel.
        choice: the postprocessor and its options.

    Raises:
        Problems: cases lack their prediction or reference (all are listed), or cannot be compared.
        UnknownComponent: there is no such postprocessor.
    """
    cases = [
        LabelledCase(prediction.name.removesuffix(description.file_ending), prediction, reference)
        for prediction, reference in find_pairs(references, predictions, description)
    ]
    return fit_cases(cases, description, runtime, choice=choice)


def fit_cases(
    cases: Sequence[LabelledCase],
    description: DatasetDescription,
    runtime: Runtime,
    *,
    choice: Choice,
) -> RuleRecord:
    """Fit a rule on cases that are given one by one; see `fit`."""
    entry = runtime.registry.get(Kind.POSTPROCESSOR, choice.name)
    postprocessor: Postprocessor = entry.create(choice.options)
    with attributed(postprocessor):
        jobs = AttributingExecutor(runtime.executor, postprocessor)
        rule = postprocessor.fit(cases, description.labels, executor=jobs, progress=runtime.progress)
    fitted: Mapping[str, Any] = expect(postprocessor, rule, Mapping)  # type: ignore[type-abstract]
    return RuleRecord(
        provider=Provider.of(entry),
        options=choice.options,
        labels=description.raw["labels"],
        regions_class_order=description.raw.get("regions_class_order"),
        rule=dict(fitted),
    )


def apply(
    folder: Path,
    target: Path,
    rule: FittedRule,
    *,
    inputs: Sequence[Path] = (),
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> None:
    """Apply a rule to every label map of a folder.

    Args:
        folder: label maps in any format that nnplug reads.
        target: where the results go, under the same names.
        rule: what to apply.
        inputs: what else must not be overwritten, such as the file of the rule.
        replace: whether files may be replaced that nnplug did not write, or that have changed since.
        executor: works on cases in parallel.
        progress: where to report.

    Raises:
        Problems: files would be lost, see `nnplug.runtime.outputs.Outputs.check`; or cases that failed, a line each.
    """
    files = list(label_files(folder, FILE_ENDINGS).values())
    written = tuple(place for file in files for place in written_with(target / file.name))
    Outputs(written, (*images_in(folder), *inputs)).claim(replace=replace)
    work = partial(_apply, rule=rule, target=target)
    with progress.task("postprocess", len(files)) as advance:
        for file, _ in zip(files, executor.map(work, files, stage="postprocess", name=_name), strict=True):
            advance(file.name)


def _apply(file: Path, *, rule: FittedRule, target: Path) -> None:
    label_map = read_label(file)
    write_label(target / file.name, rule(label_map.array, label_map.geometry.spacing), label_map.geometry)


def _name(file: Path) -> str:
    return file.name
