"""Write docs/export-schema.json from the classes of `model.json`: `python docs/make_export_schema.py`."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from nnplug_export import schema


def export_schema() -> dict[str, Any]:
    """Return the JSON schema of `model.json`, with the text of each attribute as its description."""
    (_,), parts = msgspec.json.schema_components([schema.ExportedModel], ref_template="#/$defs/{name}")
    for name, part in parts.items():
        about = _attributes(getattr(schema, name))
        part["description"] = inspect.getdoc(getattr(schema, name)).splitlines()[0]
        for key, value in part["properties"].items():
            if key in about:
                part["properties"][key] = {**value, "description": about[key]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/ExportedModel"}
    return {**head, "$defs": parts}


def _attributes(kind: type) -> dict[str, str]:
    """Return attribute -> its text in the docstring of a class."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


if __name__ == "__main__":
    text = json.dumps(export_schema(), indent=2) + "\n"
    Path(__file__).with_name("export-schema.json").write_text(text, encoding="utf-8")
