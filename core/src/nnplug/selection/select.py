"""Select the best configuration or ensemble of two by cross-validation, and bundle it.

The rule is nnU-Net's: the highest mean foreground Dice of all configurations and all ensembles of two wins, on a tie
the first. Then postprocessing is fitted on the winner's predictions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnplug.contracts import LabelledCase
from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError
from nnplug.evaluation import postprocess
from nnplug.evaluation.evaluate import evaluate_cases
from nnplug.evaluation.measuring import metric_records
from nnplug.inference.averaging import has_output
from nnplug.inference.logits import ENDING
from nnplug.models.bundle import contents_of, write_bundle
from nnplug.models.bundle_files import check_free
from nnplug.models.ensemble_bundle import pack_ensemble
from nnplug.ops.bootstrap import mean_score, paired_interval
from nnplug.plans.plans import read_plans
from nnplug.registry.components import Kind
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Progress
from nnplug.selection.averages import Average, average
from nnplug.selection.candidates import Candidate, find_candidates
from nnplug.selection.ranking import Ranking, figures_of, score_of
from nnplug.selection.request import POSTPROCESSED, RECORD, SELECTED, ComparedCandidate, Selection, SelectRequest
from nnplug.selection.validation_folder import accumulate, references, score
from nnplug.training.folds import FoldTraining
from nnplug.training.job import TrainingJob
from nnplug.training.validate import was_mirrored
from nnplug.workspace.runs import TrainedRun

if TYPE_CHECKING:
    from nnplug.evaluation.summary import Summary


@dataclass(frozen=True)
class _Scored:
    members: tuple[Candidate, ...]
    folder: Path
    summary: Summary

    @property
    def name(self) -> str:
        return " + ".join(member.name for member in self.members)

    def dice(self, keys: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the Dice (cases, classes) float64; all candidates have the same order of cases."""
        return figures_of(self.summary, keys, "Dice")


def select(request: SelectRequest, runtime: Runtime) -> Selection:
    """Return the selection of the best candidate, with its postprocessing; write `selection.json` and the bundle.

    Label maps and scores are written to `crossval/` of the workspace. Ensembles need the members' probabilities. If
    validation has not stored them, they are predicted again, fold by fold, and removed after use. A second call
    averages only the cases that have changed.

    Args:
        request: the candidates and the target.
        runtime: the plugins, the executor that scores and averages cases, and the device that predicts missing
            probabilities again. Its progress receives a warning if several candidates are equally good.

    Raises:
        Problems: folds are not trained or not validated, or configurations cannot be compared; a line each.
        NnplugError: the target must not be replaced, see `nnplug.models.bundle_files.check_free`.
    """
    candidates = find_candidates(request, runtime.progress)
    target = request.target or request.workspace.models / SELECTED
    replace = request.replace or request.target is None  # the workspace is nnplug's own
    check_free(target, replace=replace)  # at the start, since the comparison can take hours
    work = _CandidateScorer(request, runtime)
    scored = work.score_all(candidates)
    keys = _comparable_classes(scored, request.dataset, runtime.progress)
    values = [work.values(entry, keys) for entry in scored]
    first = _best(scored, values, request.ranking, runtime.progress)
    best = scored[first]
    rule, after = work.postprocess(best)
    after_values = None if request.ranking is None else work.values_in(best.folder / POSTPROCESSED, best, keys)
    entries = tuple(
        _entry(entry, own, values[first], keys, request.ranking) for entry, own in zip(scored, values, strict=True)
    )
    _write_model(best, rule, target, record={entry.name: entry.dice for entry in entries}, replace=replace)
    selection = Selection(
        dataset=request.dataset.name,
        folds=tuple(run.fold for run in candidates[0].runs),
        weights=request.weights,
        cases=len(candidates[0].cases),
        entries=entries,
        best=best.name,
        rule=rule,
        dice_postprocessed=mean_score(figures_of(after, keys, "Dice")),
        bundle=str(target),
        metric=None if request.ranking is None else request.ranking.name,
        metric_record=None if request.ranking is None else metric_records([request.ranking.metric])[0],
        score_postprocessed=None if after_values is None else score_of(after_values, request.ranking),
    )
    selection.write(request.workspace.crossval / RECORD)
    return selection


@dataclass(frozen=True)
class _CandidateScorer:
    request: SelectRequest
    runtime: Runtime

    def score_all(self, candidates: Sequence[Candidate]) -> list[_Scored]:
        """Score each configuration, then, if requested, each ensemble of two."""
        scored = [self.single(candidate) for candidate in candidates]
        if self.request.ensembles:
            scored += self.ensembles(list(combinations(candidates, 2)))
        return scored

    def single(self, candidate: Candidate) -> _Scored:
        folder, keep = self._folder([candidate]), self.request.keep_existing
        executor, progress = self.runtime.executor, self.runtime.progress
        summary = accumulate(
            candidate, self.request.dataset, folder, keep_existing=keep, executor=executor, progress=progress
        )
        return _Scored((candidate,), folder, summary)

    def ensembles(self, pairs: Sequence[tuple[Candidate, ...]]) -> list[_Scored]:
        """Average fold by fold, so that only the probabilities of one fold are stored at a time."""
        for fold in range(len(pairs[0][0].runs)) if pairs else ():
            cases = pairs[0][0].runs[fold].record.validation
            due = [pair for pair in pairs if not all(self._average(pair).is_done(case) for case in cases)]
            members = {member.name: member for pair in due for member in pair}
            with self._probabilities(list(members.values()), cases):
                for pair in due:
                    average(self._average(pair), cases, self.runtime)
        return [_Scored(pair, self._folder(pair), self._score(pair)) for pair in pairs]

    def postprocess(self, best: _Scored) -> tuple[postprocess.RuleRecord, Summary]:
        """Fit the postprocessor of the winner's plans; return its rule and the summary of its results."""
        dataset, ending = self.request.dataset, self.request.dataset.description.file_ending
        labels = references(dataset)
        names = best.members[0].cases
        cases = [LabelledCase(n, best.folder / f"{n}{ending}", labels[n], dataset.readers) for n in names]
        choice = read_plans(best.members[0].runs[0].folder.plans).choice(Kind.POSTPROCESSOR)
        executor, progress = self.runtime.executor, self.runtime.progress
        record = postprocess.fit_cases(
            cases, dataset.description, self.runtime, choice=choice, figure=self.request.ranking
        )
        record.write(best.folder / "postprocessing.json")
        rule = postprocess.FittedRule.load(record.data(), self.runtime.plugins, where="the rule", progress=progress)
        target = best.folder / POSTPROCESSED
        postprocess.apply(
            best.folder, target, rule, readers=dataset.readers, replace=True, executor=executor, progress=progress
        )
        return record, score(names, dataset, target, executor=executor, progress=progress)

    def values(self, entry: _Scored, keys: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the figures (cases, classes) that decide, float64; the sign makes higher ones the better."""
        return entry.dice(keys) if self.request.ranking is None else self.values_in(entry.folder, entry, keys)

    def values_in(self, folder: Path, entry: _Scored, keys: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the figures of the request's metric for a folder of label maps of the entry's cases; see `values`."""
        ranking, dataset = self.request.ranking, self.request.dataset
        assert ranking is not None, "the caller has a metric"
        labels, ending = references(dataset), dataset.description.file_ending
        summary = evaluate_cases(
            [(folder / f"{case}{ending}", labels[case]) for case in entry.members[0].cases],
            dataset.description,
            executor=self.runtime.executor,
            progress=self.runtime.progress,
            metrics=(ranking.metric,),
            readers=dataset.readers,
        )
        return ranking.sign * figures_of(summary, keys, ranking.figure)

    def _folder(self, members: Sequence[Candidate]) -> Path:
        return self.request.workspace.crossval / "+".join(m.name.replace(":", "_") for m in members)

    def _average(self, pair: Sequence[Candidate]) -> Average:
        request = self.request
        return Average(tuple(pair), request.dataset, self._folder(pair), keep_existing=request.keep_existing)

    def _score(self, pair: Sequence[Candidate]) -> Summary:
        folder, executor, progress = self._folder(pair), self.runtime.executor, self.runtime.progress
        return score(pair[0].cases, self.request.dataset, folder, executor=executor, progress=progress)

    @contextmanager
    def _probabilities(self, members: Sequence[Candidate], cases: Sequence[str]) -> Iterator[None]:
        """Make the members store their probabilities of these cases while the block runs."""
        made: list[Path] = []
        for member in members:
            absent = [case for case in cases if not has_output(member.folder_of(case), case)]
            made += [member.folder_of(case) / f"{case}{ENDING}" for case in absent]
            for run in member.runs:
                if set(absent) & set(run.record.validation):
                    self._validate(run)
        yield
        if not self.request.keep_logits:
            for path in made:
                path.unlink(missing_ok=True)

    def _validate(self, run: TrainedRun) -> None:
        record, request = run.record, self.request
        job = TrainingJob(
            request.workspace,
            request.dataset,
            read_plans(run.folder.plans),
            record.configuration,
            record.fold,
            record.seed,
            record.command,
            prepared=record.prepared,
        )
        again = FoldTraining(
            mirroring=was_mirrored(run.folder.validation_with(request.weights)),
            training=False,
            weights=request.weights,
            save_logits=True,
        )
        validate, title = partial(again.run, runtime=self.runtime), attrgetter("title")
        executor, progress = self.runtime.executor, self.runtime.progress
        deque(executor.map_on_device(validate, [job], stage="validate", name=title, progress=progress), maxlen=0)


def _comparable_classes(scored: Sequence[_Scored], dataset: Dataset, progress: Progress) -> list[str]:
    """Return the classes for which every candidate has a Dice; other classes are in no reference."""
    names = dict(zip(dataset.description.labels.keys, dataset.description.labels.foreground_names, strict=True))
    unknown = [key for key in names if any(np.isnan(entry.summary["mean"][key]["Dice"]) for entry in scored)]
    for key in unknown:
        progress.warning(f"{names[key]!r} occurs in no reference of the cross-validation; it is left out of the means")
    return [key for key in names if key not in unknown]


def _best(
    scored: Sequence[_Scored],
    values: Sequence[npt.NDArray[np.float64]],
    ranking: Ranking | None,
    progress: Progress,
) -> int:
    """Return the index of the candidate with the highest mean; on a tie warn and return the first, as nnU-Net does.

    Raises:
        NnplugError: the metric has no mean for any candidate.
    """
    means = np.array([mean_score(one) for one in values])
    what = "Dice" if ranking is None else ranking.name
    if np.isnan(means).all():
        raise NnplugError(f"{what} has no value for any case of the cross-validation, so nothing can be selected by it")
    first = int(np.nanargmax(means))
    if len(equal := [entry.name for entry, own in zip(scored, means, strict=True) if own == means[first]]) > 1:
        progress.warning(
            f"{', '.join(equal)} have the same mean {what}, {score_of(values[first], ranking):.4f}; {equal[0]} is "
            "taken, the first in the order that you gave or of the plans; ensembles come after single configurations"
        )
    return first


def _entry(
    entry: _Scored,
    own: npt.NDArray[np.float64],
    best: npt.NDArray[np.float64],
    keys: Sequence[str],
    ranking: Ranking | None,
) -> ComparedCandidate:
    return ComparedCandidate(
        name=entry.name,
        members=tuple(member.name for member in entry.members),
        dice=mean_score(entry.dice(keys)),
        dice_per_class={key: metrics["Dice"] for key, metrics in entry.summary["mean"].items()},
        difference=score_of(own, ranking) - score_of(best, ranking),
        interval=paired_interval(*(own, best) if ranking is None else (ranking.sign * own, ranking.sign * best)),
        folder=str(entry.folder),
        score=None if ranking is None else score_of(own, ranking),
    )


def _write_model(
    best: _Scored, rule: postprocess.RuleRecord, target: Path, *, record: Mapping[str, float], replace: bool
) -> None:
    weights = best.members[0].weights
    if len(best.members) == 1:
        runs = [run.folder for run in best.members[0].runs]
        write_bundle(runs, target, weights=weights, postprocessing=rule.data(), replace=replace)
        return
    contents = {member.name.replace(":", "_"): contents_of(member.runs, weights) for member in best.members}
    dice = {"mean foreground Dice": dict(record)}
    pack_ensemble(contents, target, postprocessing=rule.data(), record=dice, replace=replace)
