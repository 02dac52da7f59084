"""The sections of docs/reliability.md: what each campaign does, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section: its title and its text above the table."""

    title: str
    text: str


SECTIONS: Mapping[str, Section] = {
    "kill": Section(
        "Kill",
        """`nnplug run` and `nnplug predict` are killed with SIGKILL at random instants of every stage: the whole
process group, or one of its worker processes. The same command is started again after each kill. Expected: the end
equals that of a run that nobody disturbed, bit for bit.""",
    ),
    "disk": Section(
        "Disk",
        """A library that is loaded before `nnplug` lets the n-th operation that changes the disk fail, for every n: no
space (ENOSPC), a disk that became read-only (EROFS), a quota (EDQUOT), an error of the device (EIO), and
`fsync` that fails. Expected: one line that names the file and the remedy, exit code 1, no file that is half
written, and the same command goes on when there is room.""",
    ),
    "damage": Section(
        "Damage",
        """Every kind of file that a command reads is damaged at random: bytes, headers of images, values, keys, nesting
and encoding of JSON, archives with bombs, links and names that lead out of them, pickles that would run code. Expected:
exit code 0 or 1, an error in a line that names the file, its case or its component, no traceback, no signal, an end
within a minute, at most 1 GB more than the command takes otherwise, and nothing half written. One input of 40 goes
through the installed command, the others through forks of a process that has imported it.""",
    ),
    "size": Section(
        "Size",
        """Many cases of 12 x 14 x 12 voxels from verification to the first epoch, many images in one prediction, and a
volume of 1024^3 voxels (int16, one channel), on the grid of the network (1 mm) and at half its spacing (0.5 mm).
Expected: the CPU time per case is constant, memory stays flat but for caches with a bound, a restart takes seconds, and
the volume takes at most 8 GB.""",
    ),
    "soak": Section(
        "Time",
        """Hours of prediction and of training in one process. Expected: memory and open files stay flat.""",
    ),
}
"""The name of a campaign, which is that of its module -> its section; in the order of the page."""
