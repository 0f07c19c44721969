"""The preview page: MJPEG on 127.0.0.1, with figures and a recalibrate button."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.preview.page import PAGE, SCRIPT
from realtime.types import Composite

_LOG = logging.getLogger("faceanime.preview")
_HOST = "127.0.0.1"
_BOUNDARY = "faceanime"
_POLICY = "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_WAIT_S = 1.0

Stats = Callable[[], dict[str, Any]]


class PreviewOutput:
    """Serves the pictures to any number of browsers on this machine; a slow browser misses pictures, nobody waits."""

    def __init__(
        self, config: Config, stats: Stats | None = None, recalibrate: Callable[[], None] | None = None
    ) -> None:
        self._port, self._quality = config.port, config.jpeg_quality
        self._stats = stats or dict
        self._recalibrate = recalibrate or (lambda: None)
        self._changed = threading.Condition()
        self._jpeg, self._count, self._driven, self._ended = b"", 0, False, False
        self._viewers = 0
        self._server: ThreadingHTTPServer | None = None
        self.name = f"preview page {self.url}"

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{_HOST}:{self._port}"

    def open(self, stream: Stream) -> None:  # noqa: ARG002
        """Start the server; raises `OutputError` when the port is taken."""
        output = self

        class Handler(_Handler):
            page = output

        try:
            self._server = _Server((_HOST, self._port), Handler)
        except OSError as error:
            raise OutputError("preview page", f"port {self._port} cannot be used ({error.strerror or error})",
                              f"Add --port {self._port + 1}, or stop the program that uses it") from None  # fmt: skip
        threading.Thread(target=self._server.serve_forever, name="preview-http", daemon=True).start()

    def send(self, composite: Composite) -> None:
        """Show one picture; it is only encoded while somebody looks."""
        self._driven = composite.driven
        if not self._viewers and self._count:
            return
        bgr = cv2.cvtColor(composite.rgb, cv2.COLOR_RGB2BGR)
        ok, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if ok:
            with self._changed:
                self._jpeg, self._count = jpeg.tobytes(), self._count + 1
                self._changed.notify_all()

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Stop the server."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def next_jpeg(self, seen: int) -> tuple[bytes, int]:
        """Return the newest picture after number `seen` and its number; the same number again if none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._count > seen or self._ended, _WAIT_S)
            return (b"", -1) if self._ended else (self._jpeg, self._count)

    def watch(self, by: int) -> None:
        """Count a viewer in (1) or out (-1)."""
        with self._changed:
            self._viewers += by

    def figures(self) -> dict[str, Any]:
        """Return what the page shows."""
        stats = self._stats()
        latency = stats.get("latency_ms", {})
        return {"fps": stats.get("fps", 0.0), "p50": latency.get("p50"), "p95": latency.get("p95"),
                "dropped": stats.get("dropped", 0), "driven": self._driven}  # fmt: skip

    def recalibrate(self) -> None:
        """Pass the button on."""
        self._recalibrate()

    def is_own(self, host: str | None, origin: str | None) -> bool:
        """Tell whether a request names this page: another page must not steer us (DNS rebinding, cross-site POST)."""
        hosts = {f"{name}:{self._port}" for name in (_HOST, "localhost")}
        return host in hosts and (origin is None or origin.removeprefix("http://") in hosts)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Browsers leave whenever they like: that is no error."""
        _LOG.debug("request of %s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    page: PreviewOutput
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve the page, its script, the figures, or the pictures."""
        path = self.path.partition("?")[0]
        if not self.page.is_own(self.headers.get("Host"), None):
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"not this host")
        elif path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.encode())
        elif path == "/page.js":
            self._answer(HTTPStatus.OK, "text/javascript; charset=utf-8", SCRIPT.encode())
        elif path == "/stats.json":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.page.figures()).encode())
        elif path == "/stream.mjpg":
            self._stream()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here")

    def do_POST(self) -> None:
        """Recalibrate."""
        if not self.page.is_own(self.headers.get("Host"), self.headers.get("Origin")):
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"not from this page")
        elif self.path == "/recalibrate":
            self.page.recalibrate()
            self._answer(HTTPStatus.OK, "application/json", b"{}")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        """Send one whole answer."""
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
                            ("Content-Security-Policy", _POLICY), ("X-Content-Type-Options", "nosniff"),
                            ("Connection", "close")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _stream(self) -> None:
        """Send pictures until the browser leaves."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.close_connection = True
        self.page.watch(1)
        try:
            seen = 0
            while True:
                jpeg, count = self.page.next_jpeg(seen)
                if count < 0:
                    return
                if count != seen and jpeg:
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                seen = count
        except OSError:
            return  # the browser left
        finally:
            self.page.watch(-1)

    def log_message(self, format: str, *args: Any) -> None:
        """Log requests at debug level only."""
        _LOG.debug(format, *args)
