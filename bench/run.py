"""Measure nnplug against its peers and write docs/benchmarks.md: `make bench`, or `.venv/bin/python bench/run.py`.

Without names every row is measured, one after the other. Results are kept in bench/results/, a file per machine, and
the page is made from all of them. With --quick rows run small and once, to see that they work; nothing is kept.
ROW:WORD measures those cases of a row whose names hold that word. Rows of many minutes a side are kept side by side:
stopped, the same command goes on with the side that is missing, and --side measures one alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
sys.path.insert(0, str(BENCH))

from harness.apart import measure_side, sides_to_measure  # noqa: E402 - the folder of this script is no package
from harness.measure import Result, measure  # noqa: E402
from harness.page import lines_of, page  # noqa: E402
from harness.plots import draw, pictures  # noqa: E402
from harness.results import MachineFacts, Measured, Results, load_all, load_here, own_versions, peer_versions  # noqa: E402
from harness.row import SIDES, Case, Row, Setting  # noqa: E402
from harness.serve import load_row  # noqa: E402
from harness.session import Died, adopt_orphans, end_by_exception  # noqa: E402

from nnplug.runtime.files import write_text  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
SCRATCH = BENCH / "scratch"
ORDER = (
    *("help", "preprocess", "plan", "resample", "augmentation", "loading", "waiting", "step", "epoch", "export"),
    *("predict", "neighbour", "learning", "quality", "scaling", "gpu_dice"),
)


def rows() -> dict[str, Row]:
    """Every row by name, in the order of the page."""
    return {name: load_row(str(BENCH / "rows" / f"{name}.py")) for name in ORDER}


def main() -> None:
    """See above."""
    every, options = rows(), _parser().parse_args()
    if options.list:
        print("\n".join(f"{name:<13} {row.title}" for name, row in every.items()))
        return
    chosen = _chosen(every, options.rows)
    if not options.page:
        adopt_orphans()
        end_by_exception()
        try:
            _measure(chosen, _setting(options), options)
        except Died as reason:
            sys.exit(str(reason))
    if not options.quick:
        _write_page(every, options.results)


def _chosen(every: Mapping[str, Row], words: list[str]) -> dict[str, Row]:
    """The rows that are asked for, each with the cases that are asked for."""
    chosen: dict[str, Row] = {}
    for word in words or every:
        name, _, part = word.partition(":")
        if name not in every:
            sys.exit(f"no row is called {name!r}; rows are {', '.join(every)}")
        found = [case for case in every[name].cases if part.lower() in case.name.lower()]
        if not found:
            sys.exit(f"row {name!r} has no case with {part!r}; it has {', '.join(c.name for c in every[name].cases)}")
        there = [*chosen[name].cases, *found] if name in chosen else found
        cases = tuple(case for case in every[name].cases if case in there)
        chosen[name] = dataclasses.replace(every[name], cases=cases)
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true", help="list the rows and leave")
    parser.add_argument("--page", action="store_true", help="only make the page again from the results")
    parser.add_argument("--quick", action="store_true", help="small and once; nothing is kept")
    parser.add_argument("--rehearse", action="store_true", help="cases for GPUs, small, on the CPU; no figure is kept")
    parser.add_argument("--side", choices=SIDES, help="of rows that measure their sides apart, only this one")
    parser.add_argument("--rounds", type=int, help="pairs to measure [default: the row's own]")
    parser.add_argument("--peer", type=Path, default=BENCH / ".venv" / "bin" / "python", help="a Python with nnunetv2")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the folder of real data")
    parser.add_argument("--results", type=Path, default=BENCH / "results", help="where results are kept")
    return parser


def _setting(options: argparse.Namespace) -> Setting:
    peer = options.peer.absolute() if options.peer.exists() else None
    if peer is None:
        print(f"{options.peer} is not there: peers that need nnunetv2 do not run (bench/setup makes it)")
    return Setting(options.quick or options.rehearse, peer, options.shared.resolve(), Path(), options.rehearse)


def _measure(chosen: Mapping[str, Row], setting: Setting, options: argparse.Namespace) -> None:
    """Measure, print each case as soon as it is done, and keep it at once: a stopped run loses one case."""
    own, peers = own_versions(ROOT), peer_versions(setting.peer)
    for name, row, case in _cases(chosen, rehearse=setting.rehearse):
        for result in _results(name, row, case, setting, options):
            shown = msgspec.structs.replace(result, others=None) if setting.quick else result
            for line in lines_of(row, case, shown):
                print(f"{name}: {' | '.join(cell for cell in line if cell)}", flush=True)
            path, results = load_here(options.results, MachineFacts.here())
            if setting.rehearse and result.is_whole:
                results.with_rehearsal(name, case.name, datetime.now(UTC).date().isoformat()).write(path)
            elif not setting.quick:
                measured = Measured(result=result, versions=own, peer_versions=peers)
                results.with_result(name, case.name, measured).write(path)


def _results(name: str, row: Row, case: Case, setting: Setting, options: argparse.Namespace) -> Iterator[Result]:
    """The result of a case; of sides that are measured apart the result so far after each."""
    file, keep = BENCH / "rows" / f"{name}.py", row.apart and not setting.quick
    found = load_here(options.results, MachineFacts.here())[1].find(name, case.name) if keep else None
    with _scratch(name, case, keep=keep) as folder:
        here, result = dataclasses.replace(setting, scratch=folder), found.result if found else None
        if not row.apart:
            yield measure(file, row, case, here, options.rounds)
            return
        for side in [options.side] if options.side else sides_to_measure(row, case, result):
            result = measure_side(file, row, case, here, side, result, options.rounds)
            yield result


@contextmanager
def _scratch(name: str, case: Case, *, keep: bool) -> Iterator[Path]:
    """An empty folder that goes; or one that stays, in which a side finds what the other has made of the same code."""
    if keep:
        folder = SCRATCH / f"{name}-{re.sub('[^a-z0-9]+', '-', case.name.lower())}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _cases(chosen: Mapping[str, Row], *, rehearse: bool) -> Iterator[tuple[str, Row, Case]]:
    """All cases; in a rehearsal those for GPUs alone."""
    for name, row in chosen.items():
        for case in row.cases:
            if case.gpu or not rehearse:
                yield name, row, case


def _write_page(every: Mapping[str, Row], folder: Path) -> None:
    machines = list(load_all(folder))
    draw(pictures(every, machines), PICTURES)
    write_text(PAGE, page(every, machines, links(every, machines)))
    print(f"page: {PAGE}")


def links(every: Mapping[str, Row], machines: Sequence[Results]) -> dict[str, str]:
    """Captions by the links to the pictures of the page."""
    return {f"{PICTURES.name}/{picture.file}": picture.caption for picture in pictures(every, machines)}


if __name__ == "__main__":
    main()
