"""The checks of `nnplug.contracts.Reporter`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from nnplug.contracts import FinishedRun, LogLine, Reporter, append_log
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.evaluation.evaluate import evaluate_cases
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.loader import Plugins, discover
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require
from nnplug.workspace.layout import RunFolder, Workspace
from nnplug.workspace.run_record import RunRecord

_NAME, _PLANS, _CONFIGURATION = "Dataset999_Kit", "kit", "3d"
_CASES = 2


def _writes_one_file(subject: Subject) -> None:
    """Raise unless a reporter writes one file into the folder of the dataset, and changes no other."""
    with _run(validated=True) as run:
        before = _digests(run.folder)
        path = _report(subject, run)
        after = _digests(run.folder)
        changed = sorted(name for name, digest in before.items() if after.get(name) != digest)
        require(not changed, f"{', '.join(changed)} was changed or removed")
        new = sorted(name for name in after if name not in before and not Path(name).name.startswith("."))
        require(new == [path.relative_to(run.folder).as_posix()], f"made {', '.join(new)}, and gave {path}")


def _replaces_its_report(subject: Subject) -> None:
    """Raise unless a reporter replaces its report when the run is finished again."""
    with _run(validated=True) as run:
        require(_report(subject, run) == _report(subject, run), "gave another path for the same run")


def _takes_an_unvalidated_run(subject: Subject) -> None:
    with _run(validated=False) as run:
        _report(subject, run)


def _report(subject: Subject, run: FinishedRun) -> Path:
    reporter: Reporter = subject.create()
    others = {source.distribution for source, _, _ in discover()} - {subject.entry.source.distribution}
    path = reporter.report(run, Runtime(Plugins(block=others), LocalExecutor(1)))
    require(isinstance(path, Path) and path.is_file(), f"gave {path!r}; expected the path of the report")
    require(run.folder in path.parents, f"wrote {path}, which is not in {run.folder}")
    return path


@contextmanager
def _run(*, validated: bool) -> Iterator[FinishedRun]:
    """Yield a finished run of one fold, whose predictions are the references."""
    with TemporaryDirectory() as name:
        dataset = write_phantom(Path(name) / "raw" / _NAME, cases=_CASES, unseen=0, shape=samples.SHAPE)
        workspace = Workspace(Path(name), _NAME)
        run = workspace.run(_PLANS, _CONFIGURATION, 0)
        plans = _plans(dataset)
        plans.write(workspace.plans(_PLANS))
        _write_run(run, plans, dataset)
        if validated:
            _validate(run, dataset)
        yield FinishedRun(workspace.folder, _PLANS, (run.path,), command=("nnplug", "run"))


def _plans(dataset: Dataset) -> Plans:
    own = Configuration(
        spacing=(1.2, 1.0, 1.0),
        patch_size=(8, 8, 8),
        batch_size=2,
        median_shape=tuple(map(float, samples.SHAPE)),
        normalization=(Normalization(name="kit", use_mask=False),) * len(dataset.description.channel_names),
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="kit"),
    )
    return Plans(
        dataset=_NAME,
        name=_PLANS,
        recipe="kit",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.2, 1.0, 1.0),
        median_shape=(float(samples.SHAPE[0]), float(samples.SHAPE[1]), float(samples.SHAPE[2])),
        intensity={},
        configurations={_CONFIGURATION: own},
    )


def _write_run(run: RunFolder, plans: Plans, dataset: Dataset) -> None:
    names = tuple(case.name for case in dataset.training_cases())
    record = RunRecord(
        dataset=_NAME,
        plans=_PLANS,
        plans_digest=plans.digest(),
        configuration=_CONFIGURATION,
        fold=0,
        seed=0,
        command=("nnplug", "run"),
        providers=(),
        versions={"python": "3"},
        mirror_axes=(),
        training=names[1:],
        validation=names[:1],
        created="2026-01-01T00:00:00+00:00",
    )
    record.write(run.record)
    plans.write(run.plans)
    write_json(run.description, dict(dataset.description.raw))
    for epoch in range(2):
        append_log(run.log, LogLine(epoch=epoch, learning_rate=0.01, train_loss=1 - epoch / 2, seconds=1.0))
    run.final_weights.write_bytes(b"weights")


def _validate(run: RunFolder, dataset: Dataset) -> None:
    case = dataset.training_cases()[0]
    assert case.label is not None, "training cases have labels"
    prediction = run.validation / case.label.name
    prediction.parent.mkdir()
    prediction.write_bytes(case.label.read_bytes())
    summary = evaluate_cases(
        [(prediction, case.label)], dataset.description, executor=LocalExecutor(1), progress=Silent()
    )
    (run.validation / "summary.json").write_text(json.dumps(summary))


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


CHECKS: Checks = {
    "writes one file into the folder of the dataset": _writes_one_file,
    "replaces its report": _replaces_its_report,
    "takes a run without validation": _takes_an_unvalidated_run,
}
