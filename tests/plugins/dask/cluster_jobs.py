"""Jobs that workers of a cluster import."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from nnplug.errors import NnplugError


def place(item):
    """Where a job ran."""
    if item == 3:
        raise NnplugError("three is bad")
    return os.getpid(), threading.current_thread().name


def die_once(item, progress):
    """Kills its worker the first time that it is run."""
    marker = Path(item)
    with progress.task("dangerous", 2) as advance:
        if not marker.exists():
            marker.touch()
            time.sleep(0.3)  # so that what was reported is on its way
            os.kill(os.getpid(), signal.SIGKILL)
        advance("survived")
    return os.getpid()


def die_always(item):
    """Kills every worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def variable(item, progress):
    """An environment variable of the worker."""
    time.sleep(0.2)
    return os.environ.get(item)
