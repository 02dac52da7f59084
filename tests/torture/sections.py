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
        """`nnplug run` and `nnplug predict` are killed with SIGKILL, several times each, and the same command is
started again after each kill. The whole process group is killed at a random instant of a stage, or just
before a random change of a file; or one worker process is killed at a random instant. The runs: two
configurations with selection, two folds at once on two Dask workers, one fold on two devices, a cascade,
and a prediction of four images with probabilities. `start` is the time before the first stage. Commands
without workers run in processes that are forked from one that has imported everything.

Expected: the end equals that of a run that nobody disturbed. All files that are not hidden are compared.
Weights, prepared arrays and label maps must be equal as bytes; training states, logits and probabilities
in every member of their zip file; plans, fingerprint, summaries, selection, run records, bundles and
logs as JSON without times (`created`, `seconds`, `wait_seconds`), the words of the command and digests
of such files (`sha256`), with the workspace's own path replaced by a word. Curves and
reports (`progress.png`, `report.html`) show times and must exist; `predictions.jsonl` may have lines more.""",
    ),
    "disk": Section(
        "Disk",
        """A library that is loaded before `nnplug` (`tests/torture/failing.c`) lets the n-th operation that changes
the disk fail. ENOSPC (full) and EDQUOT (quota): the n-th open of a new file, write, mkdir, truncate or
copy, a write only after its first half, and all such operations after it. EROFS (read-only): the same,
and renames, removals and changes of permissions. EIO (a defect): the n-th of all these and of fsync,
once. fsync: the n-th, with EIO, once. The steps are those of a run with two configurations and
selection, and a prediction.

Expected: lines that name the file and the remedy, exit code 1 and no traceback, or a command that goes
on to its right end; every visible file is that of before, that of after, or whole and readable; with
room to remove them, no temporary file is left; the same command then ends as one that nobody disturbed,
compared as in Kill.""",
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
