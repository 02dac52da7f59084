"""The steps from raw data to preprocessed cases, for four commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnplug.errors import NnplugError, Problems
from nnplug.registry.components import Kind
from nnplug_nnunetv2_commands.class_names.planners import PlannerChoice, find_planner
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice
from nnplug_nnunetv2_commands.command import Call, Options
from nnplug_nnunetv2_commands.environment import PREPROCESSED, RAW
from nnplug_nnunetv2_commands.plans_files import check_reader, configurations, load_plans, write_plans
from nnplug_nnunetv2_commands.workspace import NnunetWorkspace

if TYPE_CHECKING:
    from nnplug.dataset.dataset import Dataset


@dataclass(frozen=True)
class Preparation:
    """The preparation of one dataset, from nnUNet_raw to nnUNet_preprocessed."""

    call: Call
    dataset: Dataset
    workspace: NnunetWorkspace

    def extract(self, *, workers: int | None, verify_first: bool, clean: bool) -> None:
        """Measure the dataset if it has no fingerprint, or if `clean` is set.

        Raises:
            Problems: `verify_first` is set and the dataset has faults, one line each.
        """
        from nnplug.preparation.measure import measure

        if verify_first:
            self._verify(workers)
        if self.workspace.fingerprint.exists() and not clean:
            self.call.progress.notice(f"{self.workspace.fingerprint} is kept; --clean measures again")
            return
        extractor = self.call.plugins.registry.create(Kind.EXTRACTOR, "nnunet")
        executor = self.call.threads(workers)
        fingerprint = measure(self.dataset, extractor, executor=executor, progress=self.call.progress)
        self._write_description()
        fingerprint.write(self.workspace.fingerprint)

    def plan(self, options: Options) -> str:
        """Plan with the options of the flags; return the name of the plans.

        Raises:
            NnplugError: there is no fingerprint.
        """
        from nnplug.plans.fingerprint import Fingerprint
        from nnplug.preparation.make_plans import make_plans
        from nnplug.preparation.plan_request import PlanRequest

        if not self.workspace.fingerprint.exists():
            raise NnplugError(f"{self.workspace.fingerprint}: no fingerprint. Run nnUNetv2_extract_fingerprint.")
        planner = find_planner(options.pl, self.call.plugins.registry.names(Kind.PLANNER))
        plans = make_plans(
            Fingerprint.read(self.workspace.fingerprint),
            self.dataset.description,
            PlanRequest(
                name=options.overwrite_plans_name or planner.plans,
                components=_components(planner),
                options={"planner": _planner_options(options), "plan": planner.fields},
            ),
            dataset=self.dataset.name,
            plugins=self.call.plugins,
            progress=self.call.progress,
        )
        self._write_description()
        write_plans(self.workspace.plans(plans.name), plans, self.dataset.description, planner=options.pl)
        return plans.name

    def preprocess(
        self, plans_name: str, asked: Sequence[str], workers: Sequence[int | None], *, anew: bool = False
    ) -> None:
        """Preprocess the cases of those configurations that the plans have, and copy the reference label maps.

        With `anew` the cases that are prepared are removed first.
        """
        from nnplug.preparation.preprocess import preprocess_dataset
        from nnplug.runtime.files import remove_folder

        path, registry = self.workspace.plans(plans_name), self.call.plugins.registry
        there = configurations(path)
        check_reader(path, self.dataset.description, self.call.readers)
        self._write_description()
        self._copy_ground_truth()
        self._copy_folds()
        for name, count in zip(asked, workers, strict=True):
            if name not in there:
                self.call.progress.notice(f"{name} is left out: {path} does not have it")
                continue
            plans = load_plans(path, name, TrainerChoice(), registry)
            store = self.workspace.preprocessed(plans.name, plans.store_name(name))
            if anew:
                remove_folder(store)
            preprocess_dataset(
                self.dataset,
                plans,
                name,
                store,
                self.call.runtime_with(self.call.threads(count)),
            )

    def _verify(self, workers: int | None) -> None:
        from nnplug.preparation.verify import verify

        report = verify(self.dataset, executor=self.call.threads(workers), progress=self.call.progress)
        for line in report.warnings:
            self.call.progress.warning(line)
        for line in report.notices:
            self.call.progress.notice(line)
        if report.problems:
            raise Problems(report.problems)

    def _write_description(self) -> None:
        from nnplug.runtime.outputs import write_document

        write_document(self.workspace.description, dict(self.dataset.description.raw))

    def _copy_ground_truth(self) -> None:
        """Copy the references in nnU-Net's layout, by case names, where training and scripts read them."""
        from nnplug.dataset.sidecars import copy_label

        ending = self.dataset.description.file_ending
        for case in self.dataset.training_cases():
            assert case.label is not None, "training cases have labels"
            copied = self.workspace.ground_truth / f"{case.name}{ending}"
            if not copied.exists() or copied.stat().st_mtime != case.label.stat().st_mtime:
                copy_label(case.label, copied, self.dataset.readers)

    def _copy_folds(self) -> None:
        """Copy folds that lie beside the raw data, which training does not read, unless there are some."""
        from nnplug.dataset.splits import OWN_SPLITS
        from nnplug.preparation.make_splits import ensure_splits

        if any((self.dataset.folder / name).exists() for name in OWN_SPLITS):
            ensure_splits(self.dataset, self.workspace, progress=self.call.progress)


def prepare(call: Call, reference: str) -> Preparation:
    """Open a dataset of nnUNet_raw by its id or name."""
    from nnplug.dataset.dataset import Dataset

    raw, preprocessed = call.environment.folder(RAW), call.environment.folder(PREPROCESSED)
    dataset = Dataset.open(raw / call.environment.dataset(reference), call.readers)
    return Preparation(call, dataset, NnunetWorkspace(preprocessed, dataset.name))


def worker_counts(counts: Sequence[int] | None, asked: Sequence[str]) -> list[int | None]:
    """Return one number of workers for each configuration; None is the default.

    Raises:
        NnplugError: `-np` has neither one number nor one for each configuration.
    """
    if counts is None:
        return [None] * len(asked)
    if len(counts) not in (1, len(asked)):
        raise NnplugError(f"-np has {len(counts)} numbers for {len(asked)} configurations; give one, or one for each")
    return [*counts] if len(counts) == len(asked) else [*counts] * len(asked)


def _components(planner: PlannerChoice) -> dict[Kind, str]:
    chosen = {Kind.PLANNER: planner.component}
    return chosen if planner.resampler is None else {**chosen, Kind.RESAMPLER: planner.resampler}


def _planner_options(options: Options) -> dict[str, Any]:
    given = {"memory_gb": options.gpu_memory_target, "spacing": options.overwrite_target_spacing}
    return {name: value for name, value in given.items() if value is not None}
