"""Measure nnplug against its peers and write docs/benchmarks.md: `make bench`, or `.venv/bin/python bench/run.py`.

Without names every row is measured, one after the other. Results are kept in bench/results/, a file per machine, and
the page is made from all of them. With --quick rows run small and once, to see that they work; nothing is kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
sys.path.insert(0, str(BENCH))

from harness.measure import measure  # noqa: E402 - the folder of this script is no package
from harness.page import lines_of, page  # noqa: E402
from harness.plots import draw  # noqa: E402
from harness.results import MachineFacts, Measured, load_all, load_here, own_versions, peer_versions  # noqa: E402
from harness.row import Case, Row, Setting  # noqa: E402
from harness.serve import load_row  # noqa: E402
from harness.session import Died, adopt_orphans  # noqa: E402

from nnplug.runtime.files import write_text  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
ORDER = (
    *("help", "preprocess", "plan", "resample", "augmentation", "loading", "waiting", "step", "epoch", "export"),
    *("predict", "learning", "scaling", "gpu_dice"),
)


def rows() -> dict[str, Row]:
    """Every row by name, in the order of the page."""
    return {name: load_row(str(BENCH / "rows" / f"{name}.py")) for name in ORDER}


def main() -> None:
    """See above."""
    every, options = rows(), _parser().parse_args()
    if unknown := sorted(set(options.rows) - set(every)):
        sys.exit(f"no row is called {unknown[0]!r}; rows are {', '.join(every)}")
    if options.list:
        print("\n".join(f"{name:<13} {row.title}" for name, row in every.items()))
        return
    if not options.page:
        chosen = {name: every[name] for name in (options.rows or every)}
        adopt_orphans()
        try:
            _measure(chosen, _setting(options), options)
        except Died as reason:
            sys.exit(str(reason))
    if not (options.quick or options.rehearse):
        _write_page(every, options.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true", help="list the rows and leave")
    parser.add_argument("--page", action="store_true", help="only make the page again from the results")
    parser.add_argument("--quick", action="store_true", help="small and once; nothing is kept")
    parser.add_argument("--rehearse", action="store_true", help="rows for GPUs too, on the CPU; nothing is kept")
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
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True) as scratch:
            here = dataclasses.replace(setting, scratch=Path(scratch))
            result = measure(BENCH / "rows" / f"{name}.py", row, case, here, options.rounds)
        kept = not (setting.quick or setting.rehearse)
        shown = result if kept else msgspec.structs.replace(result, others=None)
        for line in lines_of(row, case, shown):
            print(f"{name}: {' | '.join(cell for cell in line if cell)}", flush=True)
        if kept:
            path, results = load_here(options.results, MachineFacts.here())
            measured = Measured(result=result, versions=own, peer_versions=peers)
            results.with_result(name, case.name, measured).write(path)


def _cases(chosen: Mapping[str, Row], *, rehearse: bool) -> Iterator[tuple[str, Row, Case]]:
    """All cases; in a rehearsal those for GPUs alone."""
    for name, row in chosen.items():
        for case in row.cases:
            if case.gpu or not rehearse:
                yield name, row, case


def _write_page(every: Mapping[str, Row], folder: Path) -> None:
    machines = list(load_all(folder))
    drawn = draw(every, machines, PICTURES) if machines else {}
    plots = {f"{PICTURES.name}/{file}": caption for file, caption in drawn.items()}
    write_text(PAGE, page(every, machines, plots))
    print(f"page: {PAGE}")


if __name__ == "__main__":
    main()
