"""The measured part of docs/gpu.md, made from the files of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gpu.row import Row

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
SECTIONS = {
    "machine": "The machine",
    "parity": "The GPU computes as the CPU does",
    "amp": "Half precision",
    "resume": "Resuming",
    "step": "A training step of nnplug",
    "step_nnunetv2": "A training step of nnunetv2 2.8.1",
    "epoch": "An epoch of nnplug",
    "epoch_nnunetv2": "An epoch of nnunetv2 2.8.1",
    "dice": "A short training",
    "predict": "Prediction by nnplug",
    "fitting": "Prediction in little memory and in half precision",
    "predict_nnunetv2": "Prediction by nnunetv2 2.8.1",
}
_OF_A_STEP = ("launched by the host in", "tensors")


def write(results: Sequence[Path], page: Path) -> None:
    """Replace the measured part of a page by that of these files."""
    page.write_text(with_measured(page.read_text(), results))


def with_measured(text: str, results: Sequence[Path]) -> str:
    """Return the text of a page with the measured part of these files, one per GPU."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    files = [_of_file(path) for path in sorted(results)]
    return f"{before}{BEGIN}{''.join(files)}{END}{after}"


def _of_file(path: Path) -> str:
    rows = [Row.from_data(json.loads(line)) for line in path.read_text().splitlines()]
    lines = [f"### {path.stem.upper()}\n"]
    for section, title in SECTIONS.items():
        own = [row for row in rows if row.section == section]
        lines.append(f"\n**{title}**\n\n" if own else f"\n**{title}**: not measured yet\n")
        table = _of_steps(own) if section.startswith("step") else _of_rows(own)
        lines += table if own else []
    return "".join([*lines, "\n"])


def _of_rows(rows: Iterable[Row]) -> Iterator[str]:
    yield "| | figure | bound | |\n|---|---|---|---|\n"
    for row in rows:
        limits = [
            f"{sign} {limit:g}"
            for sign, limit in (("at most", row.at_most), ("at least", row.at_least))
            if limit is not None
        ]
        right = ("right" if row.is_right else "WRONG") if row.has_bound else ""
        yield f"| {row.what} | {_figure(row)} | {', '.join(limits)} | {'; '.join(filter(None, (right, row.note)))} |\n"


def _of_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table with a line for each variant; its other figures follow in columns."""
    found = {row.what: row for row in rows}
    yield "| | a step | the host launches it in | tensors | |\n|---|---|---|---|---|\n"
    for name, row in found.items():
        if not name.endswith(_OF_A_STEP):
            others = [found.get(f"{name}: {quantity}") for quantity in _OF_A_STEP]
            figures = " | ".join("" if other is None else _figure(other) for other in others)
            yield f"| {name} | {_figure(row)} | {figures} | {row.note} |\n"


def _figure(row: Row) -> str:
    return "not measured" if row.value is None else f"{row.value:.4g} {row.unit}".strip()
