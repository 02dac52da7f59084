"""A hub of the standard library: repositories with commits, as huggingface_hub asks for them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_test"


@dataclass
class FakeHub:
    """The state of the hub.

    Attributes:
        commits: repository -> its commits, (commit id, file -> content), the newest last.
        asked: method and path of each request.
        tokens: the tokens of requests that write.
    """

    commits: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        """Add a commit, and return its id."""
        before = self.commits.setdefault(repository, [])
        content = {**(before[-1][1] if before else {}), **files}
        number = hashlib.sha1(repr((len(before), sorted(content.items()))).encode()).hexdigest()
        before.append((number, content))
        return number

    def find(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return a commit by its id, or the newest by the name of the branch."""
        there = self.commits.get(repository, [])
        return next((one for one in reversed(there) if revision in ("main", one[0])), None)

    def __enter__(self) -> str:
        """Start to serve, and return the address."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.hub.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if file := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            return self._file(*file.groups())
        if info := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([^/]+))?", path):
            return self._info(info[1], info[2] or "main")
        return self._error(404, "EntryNotFound")

    def do_POST(self):
        self.hub.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.tokens.add(self.headers.get("Authorization"))
        if self.path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            if name in self.hub.commits:
                return self._json({"url": f"https://huggingface.co/{name}"}, status=409)
            self.hub.private[name] = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            self.hub.commit(name, {".gitattributes": b""})
            return self._json({"url": f"https://huggingface.co/{name}"})
        if self.path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        repository = re.match(r"/api/models/([\w.-]+/[\w.-]+)/commit/main", self.path)[1]
        lines = [json.loads(line) for line in body.splitlines() if line]
        files = {
            one["value"]["path"]: base64.b64decode(one["value"]["content"]) for one in lines if one["key"] == "file"
        }
        number = self.hub.commit(repository, files)
        return self._json(
            {"commitUrl": f"https://huggingface.co/{repository}/commit/{number}", "commitOid": number, "hookOutput": ""}
        )

    def _file(self, repository, revision, name):
        found = self.hub.find(repository, revision)
        if found is None:
            return self._error(404, "RevisionNotFound" if repository in self.hub.commits else "RepoNotFound")
        number, files = found
        if name not in files:
            return self._error(404, "EntryNotFound", number)
        return self._send(
            200, files[name], {"X-Repo-Commit": number, "ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"'}
        )

    def _info(self, repository, revision):
        found = self.hub.find(repository, revision)
        if found is None:
            return self._error(404, "RevisionNotFound" if repository in self.hub.commits else "RepoNotFound")
        number, files = found
        listed = [{"rfilename": name} for name in files]
        return self._json({"id": repository, "modelId": repository, "sha": number, "siblings": listed})

    def _error(self, status, code, commit=None):
        self._send(status, b"", {"X-Error-Code": code, **({"X-Repo-Commit": commit} if commit else {})})

    def _json(self, data, status=200):
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
