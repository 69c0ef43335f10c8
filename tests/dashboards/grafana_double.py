"""As much of Grafana's HTTP API as `dashboards push` talks to: health, data sources, folders, boards, tokens."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_right"


@dataclass
class Grafana:
    """What it holds; `url` is where it is."""

    url: str = ""
    sources: list[str] = field(default_factory=lambda: ["bitgoeul-boards"])
    folders: dict[str, str] = field(default_factory=dict)  # uid → title
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)  # board → folder
    writes: int = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The answer to a request that carries the right token."""
        if method == "POST":
            return self._put(body) if path == "/api/dashboards/db" else self._folder(body)
        listed: dict[str, Any] = {
            "/api/datasources": [{"uid": uid, "name": uid} for uid in self.sources],
            "/api/folders": [{"uid": uid, "title": title} for uid, title in self.folders.items()],
            "/api/search": [{"uid": uid, "title": board["title"]} for uid, board in self.boards.items()],
        }
        if path in listed:
            return 200, listed[path]
        uid = path.removeprefix("/api/dashboards/uid/")
        if uid in self.boards:
            return 200, {"dashboard": self.boards[uid], "meta": {"folderUid": self.of[uid]}}
        # as 9.4 says it to an editor
        return 403, {"message": "You'll need additional permissions to perform this action."}

    def _folder(self, body: Any) -> tuple[int, Any]:
        uid = f"f{len(self.folders)}"
        self.folders[uid] = body["title"]
        self.writes += 1
        return 200, {"uid": uid, "title": body["title"]}

    def _put(self, body: Any) -> tuple[int, Any]:
        board = body["dashboard"]
        # it numbers boards, and its newer versions fill in what is new in them
        own = {"id": len(self.boards) + 1, "version": 7, "liveNow": False}
        self.boards[board["uid"]] = board | own
        self.of[board["uid"]] = body["folderUid"]
        self.writes += 1
        return 200, {"status": "success", "uid": board["uid"]}


@contextmanager
def grafana() -> Iterator[Grafana]:
    """One on a free port."""
    double = Grafana()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/api/health":
                status, content = 200, {"database": "ok", "version": "12.4.1"}
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, content = 401, {"message": "Invalid API key"}
            else:
                path = self.path.partition("?")[0]
                known = path.startswith("/api/")
                status, content = (404, {}) if not known else double.answer(method, path, json.loads(body or b"null"))
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
