"""A workspace with two folds, predictions with references, and a headless Chromium to look at pages with."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label, write_label
from nnplug.pipeline.request import RunRequest
from nnplug.pipeline.run import run
from nnplug.plans.overrides import parse
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.workspace.layout import Workspace

SECONDS = 120
KEYS = {"ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "l": 76, "c": 67, "p": 80}


SETTINGS = (
    *("planner.base_features=4", "planner.max_features=8", "plan.patch_size=[16,16]", "plan.batch_size=2"),
    *("trainer.epochs=2", "trainer.iterations_per_epoch=2", "trainer.val_iterations_per_epoch=1"),
)


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    return Runtime(Plugins(), device="cpu", workers=1)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report-raw") / "Dataset999_Phantom"
    write_phantom(folder, cases=4, unseen=1, shape=(12, 16, 14))
    return folder


@pytest.fixture(scope="session")
def workspace(phantom: Path, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the dataset in a workspace: two folds of configuration 2d, selected."""
    root = tmp_path_factory.mktemp("report-work")
    folder = root / "Dataset999_Phantom"
    folder.mkdir()
    names = [f"phantom_{number:03d}" for number in range(4)]
    splits = [{"train": names[2:], "val": names[:2]}, {"train": names[:2], "val": names[2:]}]
    (folder / "splits.json").write_text(json.dumps(splits))
    overrides = parse(SETTINGS)
    plan = PlanRequest(options=overrides, configurations=("2d",))
    asked = RunRequest(
        dataset=Dataset.open(phantom),
        workspace=Workspace(root, "Dataset999_Phantom"),
        plan=plan,
        mirroring=False,
        command=("nnplug", "run", "<script>alert(1)</script>"),
    )
    run(asked, runtime)
    return folder


@pytest.fixture
def predictions(phantom: Path, tmp_path: Path) -> Path:
    """Label maps of the training cases with growing errors, and `dataset.json`; the first case is equal."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    for number, case in enumerate(Dataset.open(phantom).training_cases()):
        label = read_label(case.label)
        write_label(folder / case.label.name, np.roll(label.array, number, axis=2), label.geometry)
    shutil.copy(phantom / "dataset.json", folder)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A page of Chromium; tests with it are skipped where Chromium is not installed."""
    with chromium() as opened:
        yield opened


class Browser:
    """A page of a running Chromium."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._number, self._buffer = 0, b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        os.write(
            self._write, json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            assert ready, "Chromium gave no answer"
            self._buffer += os.read(self._read, 1 << 20)
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, values: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"][:200])
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(values["exceptionDetails"])[:500])
        if method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(values["entry"]["text"])

    def open(self, page: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open a file and wait until its viewer, if it has one, has drawn."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Page.navigate", url=page.absolute().as_uri())
        self.wait("document.readyState === 'complete'")
        if self.value("!!document.getElementById('viewer')"):
            self.ready()

    def ready(self) -> None:
        """Wait until the viewer has drawn the chosen case."""
        self.wait("!!document.getElementById('viewer').dataset.ready")
        assert self.value("document.getElementById('viewer').dataset.ready") == "true", self.status()

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < end, f"{expression} did not become true; {self.errors}"
            time.sleep(0.1)

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def status(self) -> str:
        """Return the sentence below the picture, with case and slice."""
        return str(self.value("document.querySelector('[data-part=status]').textContent"))

    def press(self, key: str) -> None:
        """Press a key with the canvas in focus."""
        self.value("document.querySelector('[data-part=canvas]').focus({preventScroll: true})")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])
        self.ready()

    def select(self, part: str, value: str) -> None:
        """Choose an entry of a list of the viewer."""
        self.value(
            f"(() => {{const list = document.querySelector('[data-part={part}]'); list.value = {json.dumps(value)};"
            "list.dispatchEvent(new Event('change'));})()"
        )
        self.ready()

    def screenshot(self, path: Path | None = None, *, part: str | None = None) -> bytes:
        """Return a PNG of the window, or of the element that a selector names; also write it to `path`."""
        clip: dict[str, Any] = {}
        if part == "html":
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {**size, "scale": 1}, "captureBeyondViewport": True}
        elif part is not None:
            self.value(f"document.querySelector({json.dumps(part)}).scrollIntoView()")
            box = f"(() => {{const b = document.querySelector({json.dumps(part)}).getBoundingClientRect();"
            box += "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1};})()"
            clip = {"clip": self.value(box), "captureBeyondViewport": True}
        picture = base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"])
        if path is not None:
            path.write_bytes(picture)
        return picture


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a screen and without a network; skip the test where it is not installed."""
    command = shutil.which("chromium")
    if command is None:
        pytest.skip("needs the Debian package chromium")
    (theirs, write), (read, back) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [
            command,
            *("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
            *("--remote-debugging-pipe", "--no-first-run", "--disable-gpu-sandbox", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"),
            "about:blank",
        ]
        bash = [
            "bash",
            "-c",
            f'exec "$@" 3<&{theirs} 4>&{back}',
            "chromium",
            *words,
        ]  # the pipe is of descriptors 3 and 4
        process = subprocess.Popen(
            bash, pass_fds=(theirs, back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
        )
        os.close(theirs)
        os.close(back)
        try:
            yield Browser(write, read)
        finally:
            process.kill()
            process.wait()
            os.close(write)
            os.close(read)
