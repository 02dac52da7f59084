"""Preprocess the training cases of a configuration with the preprocessor of the plans, and store them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import read_training_case
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import state_files
from nnplug.errors import NnplugError
from nnplug.plans.plans import Plans
from nnplug.preparation.case_index import Indexing, complete_index, planned_indexing
from nnplug.preparation.preprocessing import bind_preprocessor, planned_preprocessor, require_preprocessing
from nnplug.preparation.unlabelled import preprocess_unlabelled, takes_unlabelled
from nnplug.registry.components import Kind, Registry
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import state_digest
from nnplug.runtime.lock import in_turn
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.unlabelled import UnlabelledStore

_VERSION = 1  # of the preprocessing; a new number makes every stored case outdated


def preprocess_dataset(
    dataset: Dataset,
    plans: Plans,
    configuration_name: str,
    store_folder: Path,
    runtime: Runtime,
) -> CaseStore:
    """Preprocess and store every training case whose stored form is missing or outdated; return the store.

    A stored case is kept while the sizes and times of its files and the decisions of the plans for it are unchanged.
    Cases that the dataset no longer has are removed. After a kill at any moment the next call resumes. A call waits for
    another one that works on the same store, and then finds its cases. If the entry of the plans' trainer names a
    `case_index`, each case gets this index. If the trainer takes images without label maps, those of the folder
    `imagesUn` are stored beside the cases.

    Raises:
        Problems: some cases failed; a line each. The other cases are stored.
        MissingProvider: the preprocessor or a normalizer is not available; the message has the remedy.
    """
    labels = plans.training_description(dataset.description).labels
    for note in require_preprocessing(plans, runtime.plugins):
        runtime.progress.notice(note)
    preprocessing = bind_preprocessor(plans, configuration_name, labels, runtime.registry)
    indexing = planned_indexing(plans, runtime.registry, labels)
    decisions = _decisions(plans, configuration_name, dataset, runtime.registry)
    sources = {files: _source(files, decisions) for files in dataset.training_cases()}
    store, title = CaseStore(store_folder), f"preprocess {configuration_name}"
    prepare = partial(
        _prepare_case,
        description=dataset.description,
        preprocessing=preprocessing,
        indexing=indexing,
        folder=store_folder,
    )
    with _alone_in(store_folder, runtime):
        _tidy(store, {files.name for files in sources})
        _prepare_outdated(sources, prepare, store, title, runtime)
        if indexing is not None:
            names = [files.name for files in sources]
            complete_index(store, names, indexing, executor=runtime.executor, progress=runtime.progress)
        if takes_unlabelled(plans, runtime.registry):
            preprocess_unlabelled(
                {files: _source(files, decisions) for files in dataset.unlabelled_cases()},
                dataset.description,
                preprocessing,
                UnlabelledStore.beside(store_folder),
                title=f"{title} without label maps",
                runtime=runtime,
            )
    return store


def _alone_in(store_folder: Path, runtime: Runtime) -> AbstractContextManager[None]:
    """Return a lock for which other calls wait: a second one would remove the temporary folders of the first.

    Where this user may not write, nothing can be prepared, and a finished store needs no lock.
    """
    place = next(folder for folder in store_folder.parents if folder.is_dir())
    if not os.access(place, os.W_OK):
        return nullcontext()
    lock = store_folder.with_name(f".{store_folder.name}.lock")
    return in_turn(lock, what=str(store_folder), tell=runtime.progress.notice)


def _prepare_outdated(
    sources: Mapping[CaseFiles, str],
    prepare: Callable[[tuple[CaseFiles, str]], str],
    store: CaseStore,
    title: str,
    runtime: Runtime,
) -> None:
    """Prepare, as jobs of the executor, the cases that are not stored or were stored from other sources.

    The store then has each case as it is on disk; one that was not prepared again is opened once.
    """
    jobs = [(files, source) for files, source in sources.items() if not _is_stored(store, files.name, source)]
    with runtime.progress.task(title, len(sources), done=len(sources) - len(jobs)) as advance:
        for name in runtime.executor.map(prepare, jobs, stage="preprocess", name=_job_name):
            store.forget(name)
            advance(name)


def _prepare_case(
    job: tuple[CaseFiles, str],
    *,
    description: DatasetDescription,
    preprocessing: AttributedPreprocessing,
    indexing: Indexing | None,
    folder: Path,
) -> str:
    files, source = job
    case = read_training_case(files, description)
    prepared = preprocessing.prepare(case.image, case.spacing, case.label)
    assert prepared.label is not None, "training cases have labels"
    index = None if indexing is None else indexing.index(prepared.label)
    key = None if indexing is None else indexing.key
    CaseStore(folder).write(files.name, prepared, source=source, index=index, index_key=key)
    return files.name


def _job_name(job: tuple[CaseFiles, str]) -> str:
    return job[0].name


def _decisions(plans: Plans, configuration_name: str, dataset: Dataset, registry: Registry) -> str:
    """Return everything, besides its files, that a preprocessed case depends on; the batch size is not part of it."""
    configuration = plans.configuration(configuration_name).data()
    keys = ("spacing", "normalization", "resampling")
    data = plans.data()
    decided = [data["transpose_forward"], data["intensity"], *(configuration[key] for key in keys)]
    labels = plans.training_description(dataset.description).labels
    drawn = [labels.keys, labels.foreground, labels.all_values, labels.ignore]
    return json.dumps([_VERSION, *decided, drawn, *_named(plans, registry), *_reader(dataset)], sort_keys=True)


def _named(plans: Plans, registry: Registry) -> list[Any]:
    """Return the preprocessor's part; empty for the implied preprocessor: stores of an older nnplug stay valid."""
    entry, choice = planned_preprocessor(plans, registry)
    one = entry.component
    resampler = plans.choices.get(Kind.RESAMPLER)
    if one.implied and one.state_version == 1 and not choice.options and resampler is None:
        return []
    named = [choice.name, dict(choice.options), one.state_version]
    if resampler is not None:
        version = registry.get(Kind.RESAMPLER, resampler.name).component.state_version
        named += ["resampler", resampler.name, dict(resampler.options), version]
    return named


def _reader(dataset: Dataset) -> list[Any]:
    """Return the reader's part; empty for the implied reader, so that stores of an older nnplug stay valid."""
    one = dataset.reader.component
    return [] if one.implied else ["reader", one.name, one.state_version]


def _source(files: CaseFiles, decisions: str) -> str:
    paths = [*files.images, *([] if files.label is None else [files.label])]
    return state_digest(state_files(paths, files.readers), decisions)


def _is_stored(store: CaseStore, name: str, source: str) -> bool:
    try:
        return store[name].source == source
    except NnplugError:  # missing or damaged: it is made again
        return False


def _tidy(store: CaseStore, names: set[str]) -> None:
    store.remove_leftovers()
    for name in set(store) - names:
        store.remove(name)
