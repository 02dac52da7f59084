"""Preprocess the images without label maps of a dataset, for trainers that take them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.contracts.kinds import TRAINER
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import read_unlabelled_image
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.plans import Plans
from nnplug.registry.components import Kind, Registry
from nnplug.registry.runtime import Runtime
from nnplug.workspace.unlabelled import UnlabelledStore


def takes_unlabelled(plans: Plans, registry: Registry) -> bool:
    """Return whether the trainer of the plans takes images without label maps; False if it is not installed here."""
    choice = plans.choices.get(Kind.TRAINER)
    found = [] if choice is None else registry.find(Kind.TRAINER, choice.name)
    return len(found) == 1 and registry.get(TRAINER, found[0].component.name).component.takes_unlabelled


def preprocess_unlabelled(
    sources: Mapping[CaseFiles, str],
    description: DatasetDescription,
    preprocessing: AttributedPreprocessing,
    store: UnlabelledStore,
    *,
    title: str,
    runtime: Runtime,
) -> None:
    """Preprocess and store every image whose stored form is missing or outdated. After a kill the next call resumes.

    Args:
        sources: the images without label maps -> text that identifies their files and the settings; others are removed
            from the store.
        description: the channels that each image must have.
        preprocessing: the preprocessing of the configuration, which gets the image alone, as in prediction.
        store: the store to write into.
        title: the title of the progress.
        runtime: executor and progress.

    Raises:
        Problems: some images failed; a line each. The other images are stored.
    """
    store.keep_only({files.name for files in sources})
    jobs = [(files, source) for files, source in sources.items() if not store.holds(files.name, source)]
    prepare = partial(_prepare, description=description, preprocessing=preprocessing, store=store)
    if sources:
        with runtime.progress.task(title, len(sources), done=len(sources) - len(jobs)) as advance:
            for name in runtime.executor.map(prepare, jobs, stage="preprocess", name=_job_name):
                advance(name)


def _prepare(
    job: tuple[CaseFiles, str],
    *,
    description: DatasetDescription,
    preprocessing: AttributedPreprocessing,
    store: UnlabelledStore,
) -> str:
    files, source = job
    image = read_unlabelled_image(files, description)
    store.write(files.name, preprocessing.prepare(image.array, image.geometry.spacing), source=source)
    return files.name


def _job_name(job: tuple[CaseFiles, str]) -> str:
    return job[0].name
