"""Digests of files: by content, and by names, sizes and times."""

from __future__ import annotations

import hashlib
import os

import pytest

from nnplug.runtime.digests import sha256, state_digest


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.bin", "b.bin")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_the_sha256_is_that_of_the_content(files):
    assert sha256(files[0]) == hashlib.sha256(b"a.bin").hexdigest()


def test_the_state_changes_with_name_size_time_and_what_else_decides(files):
    seen = [state_digest(files)]
    assert state_digest(files) == seen[0]
    seen.append(state_digest(files, "other plans"))
    stat = files[0].stat()
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    seen.append(state_digest(files))
    files[0].write_bytes(b"longer than it was")
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    seen.append(state_digest(files))
    files[0] = files[0].rename(files[0].with_name("c.bin"))
    seen.append(state_digest(files))
    files[0].unlink()
    seen.append(state_digest(files))
    assert len(set(seen)) == len(seen)
    assert state_digest(files) == state_digest(files[1:])
