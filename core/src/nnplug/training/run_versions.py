"""Record the versions that trained each epoch of a run, and report a run that goes on with other ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from nnplug.contracts import read_log
from nnplug.registry.base_classes import component_versions
from nnplug.registry.components import Registry
from nnplug.registry.provenance import Provider
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.workspace.run_record import Continued, RunRecord, installed_versions


@dataclass(frozen=True)
class RunVersions:
    """The versions that train a run in this process.

    Attributes:
        job: the fold.
        versions: "python" and distributions -> version; with those of base classes.
        progress: receives the notice.
    """

    job: TrainingJob
    versions: Mapping[str, str]
    progress: Progress

    @classmethod
    def of(cls, job: TrainingJob, components: Registry, installed: Registry, progress: Progress) -> RunVersions:
        """Return the versions of a job.

        Args:
            job: the fold.
            components: the components that train it.
            installed: all installed components.
            progress: receives the notice.

        Raises:
            InvalidPlugin: a component cannot be imported.
        """
        bases = component_versions(components, installed)
        providers = (*job.plans.providers, Provider.of(job.dataset.reader))
        return cls(job, {**bases, **installed_versions(providers)}, progress)

    def note_change(self) -> None:
        """Add these versions to the record of a begun run if they differ from the last ones, with a notice.

        It is called when the trainer opens its first progress, so that the log has the epochs that are kept.
        """
        file = self.job.run.record
        record = RunRecord.read(file)
        last = record.continued[-1].versions if record.continued else record.versions
        changed = [
            f"{name} {self.versions[name]} instead of {was}"
            for name, was in last.items()
            if self.versions.get(name, was) != was
        ]
        if not changed:
            return
        epoch = len(read_log(self.job.run.log))
        self.progress.notice(f"{self.job.title}: from epoch {epoch + 1} on it is trained with {', '.join(changed)}")
        entry = Continued(first_epoch=epoch, versions={**last, **self.versions})
        msgspec.structs.replace(record, continued=(*(record.continued or ()), entry)).write(file)
