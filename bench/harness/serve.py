"""One side of a row as a process: does the work once per line that comes in, and answers with a line of JSON.

python bench/harness/serve.py ROW.py ours|theirs VALUES
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]


def load_row(file: str) -> Any:
    """The `ROW` of a module by its file."""
    spec = importlib.util.spec_from_file_location(f"row_{Path(file).stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ROW


def serve(row: str, side: str, values: str) -> None:
    """Serve until the input ends. What libraries print goes to stderr: stdout holds answers alone."""
    sys.path[0] = str(BENCH)
    from harness.memory import begin_peak, peak

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    work = getattr(load_row(row), side).prepare(**json.loads(values))
    print("{}", file=answers)
    for _ in sys.stdin:
        held = begin_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        told = work() or {}
        sample = {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "extra_bytes": peak() - held,
        }
        print(json.dumps({**sample, **told}), file=answers)


if __name__ == "__main__":
    serve(*sys.argv[1:])
