"""The queue, and sessions that expire."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from starlette.requests import ClientDisconnect

from nnplug.errors import ComponentFailed, InvalidFile, NnplugError, OutOfResources
from nnplug_server.received_image import ReceivedImage
from nnplug_server.refusal import Refusal, Stopped, refusal_of
from nnplug_server.sessions import Sessions
from nnplug_server.work import Worker


class Client:
    """A request whose client leaves when it is told to."""

    def __init__(self):
        self.left = asyncio.Event()

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}


def test_one_job_runs_at_a_time_and_a_full_queue_is_refused():
    running, most = [], []

    def job(report):
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return len(most)

    async def main():
        worker = Worker(3)
        with worker.place(), worker.place(), worker.place():
            with pytest.raises(Refusal) as refused, worker.place():
                pass
            assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
            found = await asyncio.gather(*(worker.run(job, Client()) for _ in range(3)))
        with worker.place():
            pass
        worker.close()
        return found

    assert asyncio.run(main()) == [1, 2, 3]
    assert most == [1, 1, 1]


def test_jobs_of_clients_that_leave_end_or_never_begin():
    began, ended = threading.Event(), []

    def long(report):
        began.set()
        for _ in range(1000):
            report()
            time.sleep(0.01)
        ended.append("whole")

    async def main():
        worker = Worker(3)
        clients = [Client(), Client()]
        waiting = [asyncio.ensure_future(worker.run(long, client)) for client in clients]
        await asyncio.to_thread(began.wait)
        for client in reversed(clients):
            client.left.set()
        for one in waiting:
            with pytest.raises(ClientDisconnect):
                await one
        assert await worker.run(lambda report: "next", Client()) == "next"
        with pytest.raises(ValueError, match="told"):
            await worker.run(_fails, Client())
        worker.close()

    asyncio.run(asyncio.wait_for(main(), 20))
    assert not ended


def _fails(report):
    raise ValueError("told")


def test_a_server_that_ends_stops_the_running_job():
    def forever(report):
        while True:
            report()
            time.sleep(0.01)

    async def main():
        worker = Worker(1)
        job = asyncio.ensure_future(worker.run(forever, Client()))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(worker.close)
        with pytest.raises(Stopped, match="the server is stopping"):
            await job

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InvalidFile("a.nii: bad"), 400, "a.nii: bad"),
        (NnplugError("bad"), 400, "bad"),
        (ComponentFailed("x failed"), 500, "x failed"),
        (OutOfResources("memory"), 500, "memory"),
        (ValueError("one\ntwo"), 500, "ValueError: one"),
        (Refusal(404, "gone"), 404, "gone"),
        (Stopped("the server is stopping"), 503, "the server is stopping"),
    ],
)
def test_errors_have_a_status_and_a_line(error, status, line):
    refused = refusal_of(error)
    assert (refused.status, refused.line) == (status, line)


def test_sessions_expire_and_stay_while_they_are_used(tmp_path):
    now = [1000.0]
    sessions = Sessions(tmp_path, 2, lambda: now[0])

    def new(expiry=0):
        folder = sessions.new_folder()
        return sessions.add(folder, ReceivedImage(folder / "a.nii", {folder / "a.nii": "a.nii"}), expiry).name

    first, second = new(100), new(10**9)
    assert sessions.get(second).info()["expiry"] == 3600
    now[0] += 200
    with pytest.raises(Refusal, match="no such session"):
        sessions.get(first)
    third = new()
    with sessions.used(second), sessions.used(third):
        with pytest.raises(Refusal) as refused:
            new()
        assert (refused.value.status, refused.value.line) == (
            503,
            "2 sessions are kept, and all are predicted now; try again later",
        )
        now[0] += 10_000
        folder = sessions.get(second).folder
        sessions.remove(second)
        assert folder.is_dir()
    assert not folder.exists()
    assert sessions.get(third).used == now[0]
