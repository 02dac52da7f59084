"""Headless Chromium, driven through its DevTools pipe: pages from files, keys, values of scripts and screenshots."""

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

import pytest

SECONDS = 120
KEYS = {"ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "l": 76, "c": 67, "p": 80}


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
