"""Parts of the `dataset.json` of files that another program named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import file_ending
from nnplug.errors import Line
from nnplug.remedies import Action

WRITTEN = ".nii.gz"
"""The format of copies of files whose own formats differ, or cannot be those of a dataset."""


def channel_names(names: Sequence[str], count: int, images: Sequence[Path]) -> tuple[dict[str, str], list[str]]:
    """Return the entry `channel_names` of `dataset.json`, and a line if there is another number of names.

    Args:
        names: the names that the user or the source gives; none to number them.
        count: the number of channels of the first case.
        images: its files, for the message.
    """
    own = list(names) or [f"channel_{number}" for number in range(count)]
    if len(own) != count:
        given = Line(
            f"{', '.join(map(str, images))}: {count} channels, but the names of channels are {', '.join(own)}",
            Action.SET_OPTION(assignment="""'converter.channels=["NAME", ..]'"""),
        )
        return {}, [given]
    return {str(number): name for number, name in enumerate(own)}, []


def common_ending(cases: Sequence[CaseFiles], *, copied: bool) -> str:
    """Return the entry `file_ending` of `dataset.json`: the most frequent ending of images.

    Copies have this ending only if all files have it.
    """
    files = [path for case in cases for path in (*case.images, *((case.label,) if copied and case.label else ()))]
    endings = Counter(file_ending(path) or "" for path in files)
    ending = endings.most_common(1)[0][0]
    return WRITTEN if copied and (len(endings) > 1 or ending == ".mhd") else ending
