"""Run campaigns in their long form, then make docs/reliability.md: `python -m tests.torture [NAME..]`."""

from __future__ import annotations

import subprocess
import sys

from tests.torture.page import page
from tests.torture.results import ROOT
from tests.torture.sections import SECTIONS


def main(names: list[str]) -> int:
    """Run each campaign in a process of its own; gives 1 if one of them failed."""
    codes = [subprocess.run([sys.executable, "-m", f"tests.torture.{name}"], cwd=ROOT).returncode for name in names]
    (ROOT / "docs" / "reliability.md").write_text(page())
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(SECTIONS)))
