"""The commands of docs/export.md run, and the schema is that of the code."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (DOCS / "export.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]


def test_the_schema_in_the_documentation_is_that_of_the_code():
    spec = importlib.util.spec_from_file_location("make_export_schema", DOCS / "make_export_schema.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    schema = made.export_schema()
    assert json.loads((DOCS / "export-schema.json").read_text()) == schema, "run python docs/make_export_schema.py"
    undescribed = [
        f"{name}.{key}"
        for name, part in schema["$defs"].items()
        for key, value in part["properties"].items()
        if "description" not in value
    ]
    assert undescribed == []


@pytest.mark.slow  # the exporters' time; tests/plugins/runtime/test_alone.py predicts with the runtime
def test_the_commands_of_the_page_run(models, tmp_path):
    places = {
        "MODEL": models.bundle(tmp_path, folds=2),
        "EXPORTED": tmp_path / "onnx",
        "TORCH": tmp_path / "torch",
    }
    exports = [command for command in COMMANDS if command.startswith("nnplug model")]
    assert len(exports) == 2
    for command in exports:
        for word, path in places.items():
            command = re.sub(rf"\b{word}\b", str(path), command)
        result = CliRunner().invoke(main, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "onnx/3d_fullres/fold_1.onnx").is_file()
    assert (tmp_path / "torch/3d_fullres/fold_1.pt2").is_file()
