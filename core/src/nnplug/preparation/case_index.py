"""Make the index of each preprocessed case that a trainer needs, and complete stored cases that lack it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.contracts import CaseIndexer
from nnplug.contracts.kinds import SAMPLER, TRAINER, SamplerEntry, TrainerEntry
from nnplug.dataset.labels import Labels
from nnplug.plans.plans import Plans
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import Kind, Registry
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug.workspace.case_index import CaseIndex
from nnplug.workspace.case_store import CaseStore


@dataclass(frozen=True)
class Indexing:
    """An index rule with the labels of a dataset; picklable.

    Attributes:
        indexer: the rule.
        labels: classes or regions.
    """

    indexer: CaseIndexer
    labels: Labels

    @property
    def key(self) -> str:
        """Return a digest of the rule, its version and the labels. An index with another key is made again."""
        made, labels = type(self.indexer), self.labels
        decided = [labels.keys, labels.foreground, labels.all_values, labels.ignore]
        rule = [made.__module__, made.__qualname__, self.indexer.version, decided]
        return hashlib.sha256(json.dumps(rule).encode()).hexdigest()[:16]

    def index(self, label: npt.NDArray[np.int16]) -> CaseIndex:
        """Return the index of a preprocessed label map (z, y, x).

        Raises:
            ComponentFailed, InvalidPlugin: the rule breaks its contract.
        """
        with attributed(self.indexer):
            return expect(self.indexer, self.indexer.index(label, self.labels), CaseIndex)


def indexing_of(entry: TrainerEntry | SamplerEntry, labels: Labels) -> Indexing | None:
    """Return the index rule that the entry of a trainer or sampler names, or None.

    Raises:
        InvalidPlugin: the rule cannot be imported.
    """
    target = entry.component.case_index
    return None if target is None else Indexing(entry.create_part(target), labels)


def index_entry(plans: Plans, registry: Registry) -> TrainerEntry | SamplerEntry:
    """Return the component whose rule indexes the cases: the sampler if its entry names a rule, else the trainer.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
    """
    if Kind.SAMPLER in plans.choices:
        sampler = registry.get(SAMPLER, plans.choice(Kind.SAMPLER).name)
        if sampler.component.case_index is not None:
            return sampler
    return registry.get(TRAINER, plans.choice(Kind.TRAINER).name)


def planned_indexing(plans: Plans, registry: Registry, labels: Labels) -> Indexing | None:
    """Return the index rule of the sampler or trainer that the plans name.

    None if there is no rule or one is not installed here. Then the index is made when training starts.

    Raises:
        InvalidPlugin: as in `indexing_of`.
    """
    chosen = {kind: plans.choices[kind] for kind in (Kind.SAMPLER, Kind.TRAINER) if kind in plans.choices}
    installed = all(len(registry.find(kind, choice.name)) == 1 for kind, choice in chosen.items())
    if Kind.TRAINER not in chosen or not installed:
        return None
    return indexing_of(index_entry(plans, registry), labels)


def complete_index(
    store: CaseStore, names: Iterable[str], indexing: Indexing, *, executor: Executor, progress: Progress
) -> None:
    """Make the index of stored cases that lack it or have that of another rule. Other cases are not changed.

    Args:
        store: the preprocessed cases.
        names: the names of the cases that need an index.
        indexing: the rule.
        executor: runs cases in parallel.
        progress: receives the progress; nothing is reported if all indices are complete.

    Raises:
        Problems: some cases failed, a line each.
    """
    key = indexing.key
    lacking = [name for name in names if store[name].index.key != key]
    if not lacking:
        return
    work = partial(_complete, folder=store.folder, indexing=indexing)
    with progress.task("index cases", len(lacking)) as advance:
        for name in executor.map(work, lacking, stage="index"):
            store.forget(name)
            advance(name)


def _complete(name: str, *, folder: Path, indexing: Indexing) -> str:
    store = CaseStore(folder)
    case = store[name]
    if case.index.key != indexing.key:  # another fold may have made it in the meantime
        store.write_index(name, indexing.index(case.label[...]), indexing.key)
    return name
