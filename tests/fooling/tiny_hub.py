"""A Hugging Face Hub in miniature, on this machine: the requests that making, filling and reading a model makes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Hub:
    """repositories: for each `owner/name` its files. address: where the server listens. requests: what it was asked."""

    def __init__(self, token: str):
        self.token = token
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.visibility: dict[str, str] = {}
        self.requests: list[str] = []
        self.address = ""

    def answer(self, method: str, path: str, body: bytes, token: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and contents."""
        self.requests.append(f"{method} {path}")
        path = unquote(path.split("?")[0]).strip("/")
        if method == "POST" and token != f"Bearer {self.token}":
            return 401, {"X-Error-Message": "Invalid username or password."}, b"{}"
        if path == "api/repos/create":
            asked = json.loads(body)
            repository = f"{asked['organization']}/{asked['name']}"
            self.repositories.setdefault(repository, {})
            self.visibility[repository] = "private" if asked.get("private") else asked.get("visibility", "public")
            return self._json({"url": f"{self.address}/{repository}", "name": repository})
        if path == "api/validate-yaml":  # asked about model cards
            return self._json({"errors": [], "warnings": []})
        owner, name, action, *rest = [*path.removeprefix("api/models/").split("/"), "", ""]
        repository = f"{owner}/{name}"
        if repository not in self.repositories:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"
        files = self.repositories[repository]
        sha = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        if action == "preupload":
            paths = [f["path"] for f in json.loads(body)["files"]]
            return self._json({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
        if action == "commit":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self._json({"commitUrl": f"{self.address}/{repository}/commit/{sha}", "commitOid": sha})
        if action == "resolve":
            contents = files["/".join(rest[1:]).strip("/")]
            return 200, {"ETag": f'"{hashlib.sha1(contents).hexdigest()}"', "X-Repo-Commit": sha}, contents
        if action == "tree":
            sums = {name: hashlib.sha1(contents).hexdigest() for name, contents in files.items()}
            return self._json(
                [{"type": "file", "path": name, "size": len(files[name]), "oid": sums[name]} for name in files]
            )
        return self._json({"id": repository, "sha": sha, "siblings": [{"rfilename": name} for name in files]})

    @staticmethod
    def _json(value: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextlib.contextmanager
def serve(hub: Hub) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, contents = hub.answer(self.command, self.path, body, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(contents))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(contents)

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
