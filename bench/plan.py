"""How long a plan takes, beside nnunetv2's on the same fingerprint, alternating.

`.venv/bin/python bench/plan.py CASE.json PLANNER [--oracle PYTHON] [--rounds N]`, where CASE.json is one of
../shared/reference/plans, PLANNER one of default, resenc_m, resenc_l, resenc_xl, and PYTHON has nnunetv2.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

from nnplug import Kind, Plugins
from nnplug.data.dataset import DatasetDescription
from nnplug.data.fingerprint import Fingerprint
from nnplug.stages.plan import make_plans

OURS = {
    "default": "nnunet",
    "resenc_m": "nnunet-resenc-m",
    "resenc_l": "nnunet-resenc-l",
    "resenc_xl": "nnunet-resenc-xl",
}


def ours(case: Path, planner: str, plugins: Plugins) -> float:
    data = json.loads(case.read_text())
    begin = time.perf_counter()
    make_plans(
        Fingerprint.from_data(data["fingerprint"], str(case)),
        DatasetDescription.from_data(data["dataset_json"], str(case)),
        dataset="bench",
        plugins=plugins,
        components={Kind.PLANNER: OURS[planner]},
    )
    return time.perf_counter() - begin


def theirs(case: Path, planner: str, oracle: str) -> float:
    script = Path(__file__).parent / "oracle" / "plans.py"
    command = [oracle, str(script), "--time", str(case), planner]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", type=Path)
    parser.add_argument("planner", choices=OURS)
    parser.add_argument("--oracle", help="a Python that has nnunetv2")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    plugins = Plugins()
    ours(arguments.case, arguments.planner, plugins)  # imports
    seconds: dict[str, list[float]] = {"nnplug": [], "nnunetv2": []}
    for _ in range(arguments.rounds):
        seconds["nnplug"].append(ours(arguments.case, arguments.planner, plugins))
        if arguments.oracle:
            seconds["nnunetv2"].append(theirs(arguments.case, arguments.planner, arguments.oracle))
    medians = {name: statistics.median(times) for name, times in seconds.items() if times}
    for name, median in medians.items():
        print(f"{name}: {median:.4f} s (of {', '.join(f'{s:.4f}' for s in seconds[name])})")
    if len(medians) == 2:
        print(f"ratio: {medians['nnunetv2'] / medians['nnplug']:.0f}")


if __name__ == "__main__":
    main()
