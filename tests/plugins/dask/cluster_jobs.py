"""Jobs that workers of a cluster import."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

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


class Faulty:
    """A normalizer that takes no image whose first value is 1."""

    def normalize(self, image, mask, intensity):
        return image / {0.0: 1.0}[float(image.flat[0])]


def normalise(value, *, channel):
    """A job of preprocessing."""
    image = np.full((2, 2, 2), value, np.float32)
    return os.getpid(), channel.normalize(image, image > 0).shape
