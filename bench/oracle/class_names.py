"""List the names of trainers and other classes that the wheel of nnunetv2 ships.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/class_names.py`. It writes
tests/plugins/nnunetv2-commands/golden/class_names.json. Architectures are those that nnunetv2 imports.
"""

from __future__ import annotations

import ast
import json
import re
from importlib.util import find_spec
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunetv2-commands/golden/class_names.json"
FOLDERS = {
    "trainers": "training/nnUNetTrainer",
    "planners": "experiment_planning/experiment_planners",
    "extractors": "experiment_planning/dataset_fingerprint",
    "preprocessors": "preprocessing/preprocessors",
    "normalizers": "preprocessing/normalization",
}
RESAMPLES = re.compile("(no_)?resampl(e|ing)_.*")


def names(folder: Path, kind: type) -> list[str]:
    trees = [ast.parse(file.read_text()) for file in folder.rglob("*.py")]
    return sorted({node.name for tree in trees for node in tree.body if isinstance(node, kind)})


def architectures(root: Path) -> list[str]:
    trees = [ast.parse(file.read_text()) for file in root.rglob("*.py")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    places = [node for node in imports if "network_architectures.architectures" in (node.module or "")]
    return sorted({alias.name for node in places for alias in node.names})


spec = find_spec("nnunetv2")
assert spec is not None
assert spec.origin is not None
package = Path(spec.origin).parent
found = {kind: names(package / folder, ast.ClassDef) for kind, folder in FOLDERS.items()}
functions = names(package / "preprocessing/resampling", ast.FunctionDef)
found["resampling"] = [name for name in functions if RESAMPLES.fullmatch(name)]
found["architectures"] = architectures(package)
GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
