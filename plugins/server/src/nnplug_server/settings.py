"""The settings of a server."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The work and the sizes that the server accepts.

    Attributes:
        queue: the requests that may send an image, wait or be predicted at the same time.
        upload: the bytes of one request.
        image: the bytes of one image in memory, of 4 bytes for each voxel of each channel.
        sessions: the sessions that are kept.
        stall: the seconds that a client may pause while it sends an image.
    """

    queue: int = 8
    upload: int = 1000 * MEGABYTE
    image: int = 4000 * MEGABYTE
    sessions: int = 8
    stall: float = 60.0
