"""Check and measure nnplug on a CUDA GPU: `python bench/gpu_check.py`, or with `--device cpu --tiny` on any machine.

Each section runs in a process of its own with a limit of time, so that one that fails or hangs costs no other. Every
figure is printed as a line of JSON and added to --out. bench/results/gpu/ keeps such files with the name of the GPU;
--page makes the tables of docs/gpu.md from them. Without nnunetv2 its sections say so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH))

from gpu.row import Row  # noqa: E402 - the folder of this script is no package
from gpu.site import Site  # noqa: E402

TOGETHER = ("parity", "amp", "resume")
"""Sections without times: they run at once, on any number of cores."""
ALONE = {
    "machine": 30,
    "step": 150,
    "step_nnunetv2": 150,
    "epoch": 120,
    "epoch_nnunetv2": 150,
    "predict": 100,
    "fitting": 150,
    "predict_nnunetv2": 100,
    "dice": 200,
}
"""Sections with times, and the largest number of seconds of each."""
_LIMIT = 150  # seconds of each section without times


@dataclass(frozen=True)
class Running:
    """A section in its process.

    Attributes:
        name: the section.
        process: it writes rows to `output` and its last words to `errors`.
        ends: the time at which it is stopped.
        output: its lines.
        errors: its error output.
    """

    name: str
    process: subprocess.Popen[bytes]
    ends: float
    output: IO[bytes]
    errors: IO[bytes]


def main() -> None:
    """See above."""
    options = _parser().parse_args()
    if options.section:
        _measure(options)
        return
    if options.page:
        from gpu.page import write

        write(sorted((BENCH / "results" / "gpu").glob("*.jsonl")), BENCH.parent / "docs" / "gpu.md")
        return
    scratch = Path(options.scratch or tempfile.mkdtemp(prefix="gpu-check-"))
    chosen, ends = options.sections or [*TOGETHER, *ALONE], time.monotonic() + options.seconds
    _finish([_start(name, options, scratch, ends) for name in chosen if name in TOGETHER], options.out)
    for name in chosen:
        if name in ALONE:
            _finish([_start(name, options, scratch, ends)], options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=[*TOGETHER, *ALONE, []], help="the sections; all without names")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that every section works")
    parser.add_argument("--no-compile", action="store_true", help="leave out the variants with torch.compile")
    parser.add_argument(
        "--match", default="", help="a regular expression: only variants of a step with it in their name"
    )
    parser.add_argument("--dataset", type=Path, help="Hippocampus in nnU-Net's raw layout")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.jsonl"), help="lines are added to this file")
    parser.add_argument("--seconds", type=float, default=540, help="sections begin within this time, and end with it")
    parser.add_argument("--scratch", help="a folder that stays; without it a temporary one")
    parser.add_argument("--page", action="store_true", help="make docs/gpu.md from results/gpu/, and measure nothing")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    return parser


def _measure(options: argparse.Namespace) -> None:
    """Run one section in this process, and print its rows."""
    site = Site(
        options.device, options.tiny, options.dataset, Path(options.scratch), not options.no_compile, options.match
    )
    for row in import_module(f"gpu.sections.{options.section}").rows(site):
        print(row.line(), flush=True)


def _start(name: str, options: argparse.Namespace, scratch: Path, ends: float) -> Running:
    command = [sys.executable, str(Path(__file__)), "--section", name, "--scratch", str(scratch)]
    command += ["--device", options.device, *(["--tiny"] if options.tiny else [])]
    command += ["--match", options.match]
    command += ["--no-compile"] if options.no_compile or options.tiny else []
    command += ["--dataset", str(options.dataset.resolve())] if options.dataset else []
    output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
    environment = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # for deterministic algorithms
    process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, start_new_session=True)
    return Running(name, process, min(ends, time.monotonic() + ALONE.get(name, _LIMIT)), output, errors)


def _finish(sections: Iterable[Running], out: Path) -> None:
    """Wait for sections, and keep their rows."""
    for section in sections:
        started, reason = time.monotonic(), ""
        try:
            code = section.process.wait(max(section.ends - time.monotonic(), 0.1))
            reason = "" if code == 0 else _last_line(section.errors, code)
        except subprocess.TimeoutExpired:
            os.killpg(section.process.pid, 9)
            section.process.wait()
            reason = f"stopped after {time.monotonic() - started:.0f} s"
        section.output.seek(0)
        lines = [line for line in section.output.read().decode().splitlines() if line.startswith("{")]
        if reason:
            lines.append(Row(section=section.name, what="the section", value=None, note=reason).line())
        with out.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        print("\n".join(lines), flush=True)


def _last_line(errors: IO[bytes], code: int) -> str:
    """Return why a process failed, and pass on its error output."""
    errors.seek(0)
    text = errors.read().decode(errors="replace").strip()
    sys.stderr.write(text[-3000:] + "\n")
    return text.splitlines()[-1] if text else f"exit code {code}"


if __name__ == "__main__":
    try:
        main()
    except Exception:  # noqa: BLE001 - a section tells its parent by its last line
        traceback.print_exc()
        sys.exit(1)
