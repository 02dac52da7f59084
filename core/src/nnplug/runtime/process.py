"""Settings of a whole process, for programs that own it."""

from __future__ import annotations

import faulthandler
import os
import sys
from enum import Enum, auto

from nnplug.runtime.allocator import keep_freed_memory, spare_page_faults


class Work(Enum):
    """The work that a process is about to do.

    Attributes:
        READ_IMAGES: read and write images.
        COMPUTE: preprocess or train: the same large blocks are allocated again and again.
        PREDICT: predict: memory goes back to the system after each image.
        CHECK: compute on tiny arrays, where threads that wait for each other take most of the time.
    """

    READ_IMAGES = auto()
    COMPUTE = auto()
    PREDICT = auto()
    CHECK = auto()


def prepare_process(work: Work) -> None:
    """Set this process's allocator for its work, and its messages.

    ITK's warnings are turned off, because nnplug's messages are more precise. A crash in a library writes to stderr
    where each thread was.

    This changes the whole process, so no function of the library calls it. A command calls it once, at its start,
    before PyTorch is imported. The processes that nnplug starts (the ranks of a training, Dask's workers) call it too.
    A program that uses nnplug as a library may call it to compute a little faster.
    """
    if work is Work.COMPUTE:
        keep_freed_memory()
    elif work is Work.PREDICT:
        spare_page_faults()
    elif work is Work.CHECK:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.__stderr__ is not None and not faulthandler.is_enabled():
        faulthandler.enable(sys.__stderr__)
    from SimpleITK import ProcessObject

    ProcessObject.GlobalWarningDisplayOff()
