"""Draw a preview of each label map of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import state_files
from nnplug.evaluation.pairs import read_image_and_label
from nnplug.pictures.preview import draw_preview
from nnplug.pictures.views import views_of
from nnplug.runtime.digests import sha256, state_digest
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import atomic_file
from nnplug.runtime.progress import Progress

FOLDER = "previews"
"""The folder of the pictures beside the label maps, which may be called CASE.png themselves."""

_STAMP = "nnplug-preview"
"""The key of the PNG's text that has a digest of everything that the picture depends on."""
_VERSION = "1"
"""It changes when the same label map is drawn differently."""


def write_previews(
    cases: Sequence[CaseFiles],
    folder: Path,
    description: DatasetDescription,
    *,
    executor: Executor,
    progress: Progress,
) -> None:
    """Draw FOLDER/previews/CASE.png for each case. A picture of the same image and label map is left as it is.

    Args:
        cases: images, each with the label map to draw as its `label`. The first channel is drawn.
        folder: the folder of the label maps.
        description: names of channels, and classes or regions.
        executor: draws the cases in parallel.
        progress: receives the progress.

    Raises:
        Problems: some cases cannot be drawn, a line each; the others are drawn.
    """
    draw = partial(_write_preview, folder=folder, description=description)
    with progress.task("preview", len(cases)) as advance:
        for name in executor.map(draw, cases, stage="preview", name=attrgetter("name")):
            advance(name)


def preview_file(folder: Path, case: CaseFiles) -> Path:
    """Return the file of the picture of a case."""
    return folder / FOLDER / f"{case.name}.png"


def _write_preview(case: CaseFiles, *, folder: Path, description: DatasetDescription) -> str:
    """Draw the picture of one case and return the name of the case."""
    assert case.label is not None, "the label map to draw"
    path, labels = preview_file(folder, case), description.labels
    depends_on = f"{_VERSION} {sha256(case.label)} {dict(labels.values)}"
    stamp = state_digest(state_files(case.images, case.readers), hashlib.sha256(depends_on.encode()).hexdigest())
    if _stamp_of(path) != stamp:
        image, label_map = read_image_and_label(case, description.channel_names)
        picture = draw_preview(views_of(image.array[0], label_map), labels, title=case.name)
        text = PngInfo()
        text.add_text(_STAMP, stamp)
        with atomic_file(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG", pnginfo=text)
    return case.name


def _stamp_of(path: Path) -> str | None:
    """Return the stamp of a picture; None if it is missing, damaged or of another program."""
    with suppress(OSError, SyntaxError, ValueError), Image.open(path) as picture:
        picture.load()  # a file that is cut short raises here
        return str(picture.info.get(_STAMP))
    return None
