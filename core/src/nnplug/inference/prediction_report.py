"""Record what was predicted with what: a JSON file that all calls into one output folder share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import without_remedy
from nnplug.evaluation.statistics_tables import entries, is_current, spacing_of
from nnplug.inference.model_record import described_machine, described_model, used_versions
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs.recorded_files import recorded_image, recorded_output
from nnplug.inference.prediction_files import PredictionFiles
from nnplug.io.images import read_geometry
from nnplug.io.placement import orientation
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.shared_json import shared_object

REPORT = "report.json"


@dataclass(frozen=True)
class ReportedCall:
    """One call of a prediction, from its begin.

    Attributes:
        output: the folder.
        options: models and settings.
        runtime: plugins and device.
        command: the words of the command line; empty from Python.
        began: the time of the begin.
        before: case -> time of change of its label map in nanoseconds, as the call found it.
    """

    output: Path
    options: PredictOptions
    runtime: Runtime
    command: tuple[str, ...]
    began: datetime
    before: Mapping[str, int]

    @classmethod
    def begin(
        cls,
        cases: Sequence[CaseFiles],
        output: Path,
        options: PredictOptions,
        runtime: Runtime,
        command: tuple[str, ...] = (),
    ) -> ReportedCall:
        """Return a call that begins now; it will predict these cases."""
        files = PredictionFiles.chosen(output, options, options.kept)
        labels = {case.name: files.of(case)["labels"] for case in cases}
        before = {name: path.stat().st_mtime_ns for name, path in labels.items() if path.is_file()}
        return cls(output, options, runtime, command, datetime.now(UTC), before)

    def write(self, cases: Sequence[CaseFiles], outputs: Sequence[Sequence[Path]], problems: Sequence[str]) -> None:
        """Add the call and its cases to OUTPUT/report.json. Cases of other calls stay while their label maps do.

        A case that this call has kept stays with the call that predicted it; its call is null if no
        earlier report names one.

        Args:
            cases: the finished cases, each with its label map.
            outputs: the files that were written for each case.
            problems: the messages of the cases that failed.

        Raises:
            NnplugError: the file cannot be written.
        """
        number = token_hex(6)
        own = {case.name: self._case(case, files, number) for case, files in zip(cases, outputs, strict=True)}
        call = self._call(problems)
        with shared_object(self.output / REPORT) as report:
            known = {name: entry for name, entry in entries(report).items() if is_current(self.output, entry)}
            merged = dict(
                sorted({**known, **{name: _merged(known.get(name), one) for name, one in own.items()}}.items())
            )
            calls = {**_calls(report), number: call}
            named = {number, *(entry.get("call") for entry in merged.values())}
            report.clear()
            report |= {"schema": 1, "calls": {key: one for key, one in calls.items() if key in named}, "cases": merged}

    def _call(self, problems: Sequence[str]) -> dict[str, Any]:
        """Return what is true of all cases of this call."""
        ended, chosen = datetime.now(UTC), self.options
        return {
            "command": list(self.command),
            "began": self.began.isoformat(timespec="seconds"),
            "ended": ended.isoformat(timespec="seconds"),
            "seconds": round((ended - self.began).total_seconds(), 3),
            **described_machine(self.runtime),
            "model": described_model(chosen, self.runtime),
            "options": {
                "classes": list(chosen.kept.labels.foreground_names),
                "weights": chosen.weights,
                "mirroring": chosen.mirroring,
                "writers": [writer.data() for writer in chosen.writers],
                "previous": None if chosen.previous is None else str(chosen.previous),
                "force": chosen.force,
            },
            "distributions": used_versions(chosen, self.runtime),
            "problems": [without_remedy(line) for line in problems],
        }

    def _case(self, case: CaseFiles, outputs: Sequence[Path], number: str) -> dict[str, Any]:
        assert case.label is not None, "the label map of a finished case"
        geometry, changed = read_geometry(case.label, case.readers), case.label.stat().st_mtime_ns
        written = datetime.fromtimestamp(changed / 1e9, UTC)
        return {
            "call": None if self.before.get(case.name) == changed else number,
            "label_map": case.label.name,
            "sha256": sha256(case.label),
            "written": written.isoformat(timespec="seconds"),
            "shape": list(geometry.shape),
            "spacing": list(spacing_of(geometry)),
            "orientation": orientation(geometry),
            "inputs": [recorded_image(image, case.readers) for image in case.images],
            "outputs": [recorded_output(file, self.output) for file in outputs if file.is_file()],
        }


def _merged(known: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the new entry of a case; if its label map was kept, with the call that predicted it."""
    return new if known is None or new["call"] is not None else {**new, "call": known.get("call")}


def _calls(report: Mapping[str, Any]) -> dict[str, Any]:
    found = report.get("calls", {})
    return found if isinstance(found, dict) else {}
