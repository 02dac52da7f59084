"""Build wheel and sdist of every distribution into dist/ and check what an index would refuse: `make wheels`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from release.distributions import ROOT, Distribution, distributions, version


def build(distribution: Distribution, out: Path) -> None:
    """Build the sdist of a distribution, and its wheel from that sdist alone.

    Raises:
        CalledProcessError: it cannot be built; the output of the build stands on stderr.
    """
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(distribution.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()


def build_all(out: Path) -> list[Path]:
    """Build every distribution into a folder, from which older ones are removed; return the files."""
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("nnplug*.whl"), *out.glob("nnplug*.tar.gz")):
        old.unlink()
    for distribution in distributions():
        build(distribution, out)
        print(f"{distribution.name} {version()}")
    return sorted((*out.glob("nnplug*.whl"), *out.glob("nnplug*.tar.gz")))


def check(files: list[Path]) -> None:
    """Check metadata and long descriptions as PyPI does.

    Raises:
        CalledProcessError: twine refuses a file.
    """
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, files)], check=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "dist")
    check(build_all(parser.parse_args().out))


if __name__ == "__main__":
    main()
