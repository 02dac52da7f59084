"""Decide whether the folder of an export may be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nnplug.errors import InvalidFile, NnplugError
from nnplug.models.bundle_files import refuse_inside_bundle
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.runtime.json_files import read_json
from nnplug_export.schema import MODEL, ExportedModel, Stage


def check_free(target: Path, *, replace: bool) -> None:
    """Raise if writing an export to `target` would replace anything but an export.

    Args:
        target: the folder.
        replace: whether to replace also an export with added or changed files. A folder of something else is never
            replaced.

    Raises:
        NnplugError: `target` must not be replaced, or is inside a bundle, which would be damaged.
    """
    refuse_inside_bundle(target.parent)
    if target.is_file():
        raise NnplugError(f"{target}: is a file, but a folder is to be written here", Action.OTHER_OUTPUT())
    if not target.is_dir() or not any(target.iterdir()):
        return
    try:
        model = ExportedModel.from_data(read_json(target / MODEL), str(target / MODEL))
    except InvalidFile as error:
        raise NnplugError(
            f"{target}: is there and is no export of nnplug; choose another place or remove it"
        ) from error
    if not replace and (file := next(_added(target, model), None)):
        raise NnplugError(
            f"{file}: is no file that nnplug wrote into the export {target}", Action.OTHER_OUTPUT_OR_REPLACE()
        )


def stages(stage: Stage | None) -> Iterator[Stage]:
    """Yield a stage and those before it."""
    while stage is not None:
        yield stage
        stage = stage.previous


def _added(target: Path, model: ExportedModel) -> Iterator[Path]:
    """Yield the files that were added or changed; hidden files and data beside an ONNX file of ours are left out."""
    listed = {fold.file: fold.sha256 for member in model.members for s in stages(member) for fold in s.folds}
    for file in sorted(target.rglob("*")):
        name = file.relative_to(target).as_posix()
        if file.is_dir() or name == MODEL or file.name.startswith(".") or _is_data(name, listed):
            continue
        if name not in listed or sha256(file) != listed[name]:
            yield file


def _is_data(name: str, listed: Mapping[str, str]) -> bool:
    return name.endswith(".data") and name.removesuffix(".data") in listed
