"""Fit postprocessing rules on validation predictions, and apply them to folders of label maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nnplug.contracts import LabelledCase, Postprocessor, RankedFigure
from nnplug.contracts.attributed.executor import AttributedExecutor
from nnplug.contracts.attributed.json_check import check_json
from nnplug.contracts.attributed.label_map_check import check_label_map, unknown_values
from nnplug.contracts.capabilities import by_figure
from nnplug.contracts.kinds import POSTPROCESSOR
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.dataset.sidecars import images_in, written_with
from nnplug.errors import InvalidFile, within
from nnplug.evaluation.measuring import metric_records
from nnplug.evaluation.pairs import find_pairs, label_files
from nnplug.io.images import read_label, write_label
from nnplug.io.readers import Readers, readers_or_core
from nnplug.plans.plans import Choice
from nnplug.registry.attribution import attributed
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import Provider, resolve
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import Executor
from nnplug.runtime.outputs import Outputs
from nnplug.runtime.progress import Progress
from nnplug.runtime.records import VersionedRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnplug.arrays import LabelArray


SCHEMA = 1


class RuleRecord(VersionedRecord, frozen=True, kw_only=True):
    """A fitted rule on disk: `rule.json`, or `postprocessing.json` of a bundle.

    Attributes:
        schema: version of this layout.
        provider: the postprocessor that fitted it.
        options: the options of the postprocessor.
        labels: `labels` of `dataset.json`.
        regions_class_order: `regions_class_order` of `dataset.json`.
        rule: the result of the postprocessor's `fit`.
        figure: the figure that the rule was fitted by, such as "surface.HD95"; None for the postprocessor's own
            criterion.
        metric: the metric of this figure, see `nnplug.evaluation.measuring.metric_records`.
    """

    NEWEST = SCHEMA
    WHAT = "postprocessing rule"

    schema: int = SCHEMA
    provider: Provider
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    labels: dict[str, Any]
    regions_class_order: list[int] | None = None
    rule: dict[str, Any]
    figure: str | None = None
    metric: dict[str, Any] | None = None


@dataclass(frozen=True)
class FittedRule:
    """A rule with the component that applies it."""

    record: RuleRecord
    postprocessor: Postprocessor
    labels: Labels
    where: str = "the rule"

    @classmethod
    def load(cls, data: Any, plugins: Plugins, *, where: str, progress: Progress) -> Self:
        """Return a rule with its postprocessor.

        Args:
            data: the JSON of a `RuleRecord`, such as `Model.postprocessing`.
            plugins: the installed plugins.
            where: the name of the file in messages.
            progress: receives a notice if the postprocessor now has another version.

        Raises:
            InvalidFile: `data` is not a rule.
            MissingProvider: the postprocessor is not available; the message has the remedy.
        """
        record = RuleRecord.from_data(data, where)
        entries, notes = resolve([record.provider], plugins, what=f"{where}: this postprocessing rule")
        for note in notes:
            progress.notice(note)
        postprocessor = entries[record.provider.kind, record.provider.name].create(record.options)
        return cls(record, postprocessor, Labels.from_data(record.labels, record.regions_class_order, where), where)

    def __call__(self, label_map: LabelArray, spacing: Sequence[float]) -> LabelArray:
        """Return a label map (z, y, x), of any integer dtype, with the rule applied; `spacing` is (z, y, x) in mm.

        Raises:
            ComponentFailed: the postprocessor failed.
            InvalidPlugin: the postprocessor returned another shape, no integers, or a new value that the labels lack.
        """
        shape, before = label_map.shape, unknown_values(label_map, self.labels)
        try:
            with attributed(self.postprocessor):
                given = self.postprocessor.apply(label_map, self.record.rule, spacing=spacing, labels=self.labels)
        except InvalidFile as error:
            raise InvalidFile(within(f"{self.where}: ", error.lines[0])) from error
        return check_label_map(self.postprocessor, given, shape, self.labels, tolerated=before)


def fit(
    references: Path,
    predictions: Path,
    description: DatasetDescription,
    runtime: Runtime,
    *,
    choice: Choice,
    figure: RankedFigure | None = None,
) -> RuleRecord:
    """Return a rule that is fitted on validation predictions.

    Args:
        references: a folder of label maps.
        predictions: a folder of label maps with the same names.
        description: labels, regions, ignore label and file ending.
        runtime: the plugins that offer the postprocessor, and the executor that reads cases in parallel.
        choice: the postprocessor and its options.
        figure: the figure that the rule makes best; None for the postprocessor's own criterion. A postprocessor whose
            entry does not say `fits_by_figure` takes its own in any case, with a notice.

    Raises:
        Problems: cases lack their prediction or reference, or cannot be compared; a line each.
        UnknownComponent: no plugin offers the postprocessor.
    """
    readers = description.readers(Readers.of(runtime.registry), str(predictions))
    cases = [
        LabelledCase(prediction.name.removesuffix(description.file_ending), prediction, reference, readers)
        for prediction, reference in find_pairs(references, predictions, description, readers=readers)
    ]
    return fit_cases(cases, description, runtime, choice=choice, figure=figure)


def fit_cases(
    cases: Sequence[LabelledCase],
    description: DatasetDescription,
    runtime: Runtime,
    *,
    choice: Choice,
    figure: RankedFigure | None = None,
) -> RuleRecord:
    """Return a rule that is fitted on the files of cases; see `fit`."""
    entry = runtime.registry.get(POSTPROCESSOR, choice.name)
    postprocessor = entry.create(choice.options)
    by = None if figure is None else by_figure(entry, postprocessor)
    if figure is not None and by is None:
        runtime.progress.notice(f"{entry} fits its rule by a criterion of its own, not by {figure.name}")
    with attributed(postprocessor):
        jobs = AttributedExecutor(runtime.executor, postprocessor)
        labels, progress = description.labels, runtime.progress
        if figure is None or by is None:
            rule = postprocessor.fit(cases, labels, executor=jobs, progress=progress)
        else:
            rule = by.fit_by(figure, cases, labels, executor=jobs, progress=progress)
    used = None if by is None else figure
    return RuleRecord(
        provider=Provider.of(entry),
        options=choice.options,
        labels=description.raw["labels"],
        regions_class_order=description.raw.get("regions_class_order"),
        rule=check_json(postprocessor, rule, "a rule"),
        figure=None if used is None else used.name,
        metric=None if used is None else metric_records([used.metric])[0],
    )


def apply(
    folder: Path,
    target: Path,
    rule: FittedRule,
    *,
    inputs: Sequence[Path] = (),
    readers: Readers | None = None,
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> None:
    """Apply a rule to every label map of a folder.

    Args:
        folder: a folder of label maps in any format that nnplug reads.
        target: the folder for the results, which keep their names.
        rule: the rule.
        inputs: other files that must not be overwritten, such as the file of the rule.
        readers: the readers of the label maps; None for those of the core.
        replace: whether to replace files that nnplug did not write, or that have changed since it wrote them.
        executor: processes cases in parallel.
        progress: receives the progress.

    Raises:
        Problems: files would be lost (see `nnplug.runtime.outputs.Outputs.check`), or cases failed; a line each.
    """
    own = readers_or_core(readers)
    files = list(label_files(folder, own.endings).values())
    written = tuple(place for file in files for place in written_with(target / file.name, own))
    Outputs(written, (*images_in(folder, own), *inputs)).claim(replace=replace)
    work = partial(_apply, rule=rule, target=target, readers=own)
    with progress.task("postprocess", len(files)) as advance:
        for file, _ in zip(files, executor.map(work, files, stage="postprocess", name=_name), strict=True):
            advance(file.name)


def _apply(file: Path, *, rule: FittedRule, target: Path, readers: Readers) -> None:
    label_map = read_label(file, readers)
    corrected = rule(label_map.array, label_map.geometry.spacing)
    write_label(target / file.name, corrected, label_map.geometry, readers)


def _name(file: Path) -> str:
    return file.name
