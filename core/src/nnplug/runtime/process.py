"""Settings of a whole process, for those that own one."""

from __future__ import annotations

from enum import Enum, auto

from nnplug.runtime.memory import keep_freed_memory, spare_page_faults


class Work(Enum):
    """The work that a process is about to do.

    Attributes:
        READ_IMAGES: read and write images.
        COMPUTE: preprocess or train, which allocate the same large blocks again and again.
        PREDICT: predict, with memory that goes back after each image.
    """

    READ_IMAGES = auto()
    COMPUTE = auto()
    PREDICT = auto()


def prepare_process(work: Work) -> None:
    """Adapt this process's allocator to its work, and silence ITK's warnings: nnplug's own messages say more.

    This changes the whole process, so no function of the library calls it. A command calls it once, at its start,
    before PyTorch is imported. So do the processes that nnplug starts itself: the ranks of a training and Dask's
    workers. A program that uses nnplug as a library may call it too, and computes a little faster then.
    """
    if work is Work.COMPUTE:
        keep_freed_memory()
    elif work is Work.PREDICT:
        spare_page_faults()
    from SimpleITK import ProcessObject

    ProcessObject.GlobalWarningDisplayOff()
