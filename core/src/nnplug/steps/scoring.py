"""Score predictions against references, and select the best of several trained configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import images_in
from nnplug.errors import InvalidOptions, Problems
from nnplug.evaluation.evaluate import Evaluation, evaluate_folder
from nnplug.evaluation.metrics import make_metrics
from nnplug.evaluation.pairs import find_description
from nnplug.evaluation.summary import Summary, defined
from nnplug.io.readers import Readers
from nnplug.plans.overrides import from_values
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.json_files import write_json
from nnplug.runtime.outputs import Outputs
from nnplug.selection.ranking import Ranking
from nnplug.selection.request import Selection, SelectRequest
from nnplug.selection.select import select as select_best
from nnplug.steps.choices import FoldSelection, RuntimeOptions
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.default_plans import default_plans_name
from nnplug.steps.given import Folds, Names, names, optional_path, runtime_options, selection
from nnplug.steps.keywords import EvaluateKeywords, SelectKeywords, keywords
from nnplug.steps.session import ProgressArgument, open_place, session


@dataclass(frozen=True)
class Scores:
    """The scores of a folder of label maps.

    Attributes:
        summary: the scores per case, class and region and their means, in the layout of `summary.json`.
        description: the labels that are scored; None if every value that occurs is a class.
        failures: a line for each case that could not be scored; `nnplug.evaluate` raises them.
        file: the file with the summary; None if none was asked for.
    """

    summary: Summary
    description: DatasetDescription | None = None
    failures: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def mean(self) -> Mapping[str, float]:
        """Figure -> its mean over the classes, such as {"Dice": 0.9}."""
        figures: Mapping[str, float] = self.summary["foreground_mean"]
        return figures


@keywords(EvaluateKeywords)
def evaluate(
    references: str | Path,
    predictions: str | Path,
    *,
    output: str | Path | None = None,
    dataset_json: str | Path | None = None,
    metrics: Names = "overlap",
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[EvaluateKeywords],
) -> Scores:
    """Score predictions against references, per case, class and region; this is `nnplug evaluate`.

    Args:
        references: a folder of label maps (z, y, x).
        predictions: a folder of label maps with the same names.
        output: the file for the summary; None writes no file.
        dataset_json: labels and regions; None for the `dataset.json` beside the predictions. Without one, every label
            value that occurs is a class.
        metrics: one name or several; "overlap" is Dice, IoU and voxel counts.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.EvaluateKeywords`.

    Raises:
        Problems: cases lack their prediction or reference, or files cannot be compared; one line each. The scores of
            the others are in `output`.
        NnplugError: a folder is missing or has no label maps.
        InvalidOptions: an option is unknown or its value is invalid.
    """
    machine = RuntimeOptions(overrides=from_values(options["options"]), workers=options["workers"])
    with session(machine, progress, plugins) as runtime:
        own = machine.overrides.get(Kind.METRIC, {})
        given = ScoredFolders(Path(references), Path(predictions), optional_path(dataset_json))
        target = None if output is None else ScoreFile(Path(output), replace=options["replace"])
        how = Scoring(names(metrics), own, partial=options["partial"])
        scores = score_folder(given, how, target, runtime)
    if scores.failures:
        raise Problems(scores.failures)
    return scores


@dataclass(frozen=True)
class ScoredFolders:
    """The folders of references and predictions, and the `dataset.json` that the user names."""

    references: Path
    predictions: Path
    dataset_json: Path | None = None


@dataclass(frozen=True)
class Scoring:
    """The names of metrics, their options, and whether references without a prediction are left out."""

    metrics: tuple[str, ...]
    options: Mapping[str, Any]
    partial: bool = False


@dataclass(frozen=True)
class ScoreFile:
    """The file for the summary, and whether it may replace one that nnplug did not write."""

    path: Path
    replace: bool = False


def score_folder(folders: ScoredFolders, how: Scoring, target: ScoreFile | None, runtime: Runtime) -> Scores:
    """Score a folder, and write the summary of the cases that could be scored.

    Args:
        folders: references and predictions.
        how: the metrics.
        target: the file for the summary; None for no file.
        runtime: plugins, executor and progress.

    Raises:
        Problems, NnplugError, InvalidOptions: as in `evaluate`, but for cases that cannot be compared.
    """
    readers = Readers.of(runtime.registry)
    metrics = make_metrics(how.metrics, how.options, runtime.registry)
    description = find_description(folders.dataset_json, folders.predictions)
    outputs = _outputs(folders, target, readers)
    if target is not None:
        outputs.check(replace=target.replace)
    scored: Evaluation = evaluate_folder(
        folders.references,
        folders.predictions,
        description,
        executor=runtime.executor,
        progress=runtime.progress,
        metrics=metrics,
        partial=how.partial,
        readers=readers,
    )
    summary = defined(scored.summary)
    if target is not None:
        outputs.claim(replace=target.replace)
        write_json(target.path, summary)
    return Scores(summary, description, scored.failures, None if target is None else target.path)


def _outputs(folders: ScoredFolders, target: ScoreFile | None, readers: Readers) -> Outputs:
    read = (*images_in(folders.references, readers), *images_in(folders.predictions, readers))
    description = folders.dataset_json or folders.predictions / "dataset.json"
    return Outputs(() if target is None else (target.path,), (*read, description))


@keywords(SelectKeywords)
def select(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    configurations: Names = (),
    folds: Folds = (),
    name: Names = (),
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[SelectKeywords],
) -> Selection:
    """Select the best cross-validated configuration, or ensemble of two, as a model; this is `nnplug select`.

    Postprocessing is fitted on the winner, and one bundle holds both.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        configurations: one name or several; empty for all whose folds are all trained.
        folds: one number or several; empty for every fold.
        name: the name of the plans, or several; empty for those of the default recipe.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.SelectKeywords`.

    Returns:
        The comparison; its `bundle` is the path of the model.

    Raises:
        NnplugError: folds are not trained, or nothing can be compared.
        InvalidOptions: fold "all" is given, or an option is unknown or its value is invalid.
    """
    compared = Comparison(
        selection(configurations, folds),
        names(name),
        options["weights"],
        options["metric"],
        ensembles=options["ensembles"],
        keep_logits=options["keep_logits"],
        output=optional_path(options["output"]),
        replace=options["replace"],
    )
    with session(runtime_options(options), progress, plugins) as runtime:
        return select_best(select_request(open_place(dataset, workspace, runtime), compared, runtime), runtime)


@dataclass(frozen=True)
class Comparison:
    """The choices of a user for a selection; see `nnplug.selection.request.SelectRequest`.

    Attributes:
        folds: configurations and folds to compare.
        plans: names of plans; empty for those of the default recipe.
        weights: the weights of each training.
        metric: the figure that decides, "METRIC" or "METRIC.FIGURE"; None for the mean foreground Dice.
        ensembles: whether ensembles of two are compared, too.
        keep_logits: whether to keep probabilities that are computed again.
        output: the bundle; None for model/selected in the workspace.
        replace: whether to replace files that nnplug did not write.
    """

    folds: FoldSelection
    plans: tuple[str, ...]
    weights: Literal["final", "best"]
    metric: str | None
    ensembles: bool
    keep_logits: bool
    output: Path | None
    replace: bool


def select_request(place: DatasetInWorkspace, compared: Comparison, runtime: Runtime) -> SelectRequest:
    """Return the request of a selection.

    Raises:
        InvalidOptions: fold "all" is given, or the metric ranks no such figure.
        UnknownComponent, AmbiguousComponent: as in `Ranking.of`.
    """
    numbers = tuple(fold for fold in compared.folds.folds if isinstance(fold, int))
    if len(numbers) < len(compared.folds.folds):
        raise InvalidOptions("fold 'all' is no part of a cross-validation: it is validated on its training cases")
    registry = runtime.registry
    return SelectRequest(
        dataset=place.dataset,
        workspace=place.workspace,
        plans=compared.plans or (default_plans_name(registry, place.workspace),),
        configurations=compared.folds.configurations,
        folds=numbers,
        weights=compared.weights,
        ranking=None if compared.metric is None else Ranking.of(compared.metric, registry),
        ensembles=compared.ensembles,
        keep_logits=compared.keep_logits,
        target=compared.output,
        replace=compared.replace,
    )
