"""The control page's server, in a thread of its own, and the output that feeds its screen."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from typing import Any

from realtime.config import Config
from realtime.errors import OutputError
from realtime.notices import Notice, Notices
from realtime.outputs.base import Stream
from realtime.preview.desk import Desk
from realtime.preview.guard import Guard, is_loopback
from realtime.types import Composite

_LOG = logging.getLogger("faceanime.preview")
_UP_S = 10.0  # a page that takes longer comes up while the run goes on


class PageServer:
    """Serves a desk from `start` to `stop`; `load` imports the framework (about a second) while the models load."""

    def __init__(self, desk: Desk, config: Config) -> None:
        self._desk, self._host, self._port = desk, config.host, config.port
        self._most_bytes = config.upload_mb * 1_000_000
        self.token = None if is_loopback(config.host) else secrets.token_urlsafe(24)
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._stopping, self._up = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        """Address of the page."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the page is served."""
        return self._thread is not None and self._thread.is_alive()

    def load(self) -> None:
        """Import the framework in a thread of its own."""
        threading.Thread(target=_framework, name="preview-load", daemon=True).start()

    def start(self) -> None:
        """Take the port and serve, which is so on return; raises `OutputError` when the port is taken.

        An import beside the first frames would hold them up: it has the interpreter's lock most of the time.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self._host, self._port))
            self._socket.listen(64)
        except OSError as error:
            self._socket.close()
            raise OutputError("preview page", f"port {self._port} cannot be used ({error.strerror or error})",
                              f"Add --port {self._port + 1}, or stop the program that uses it") from None  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name="preview-http", daemon=True)
        self._thread.start()
        self._up.wait(_UP_S)

    def stop(self) -> None:
        """End within about two seconds."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(3.0)
        if self._socket is not None:
            self._socket.close()

    def _serve(self) -> None:
        try:
            self._serve_until_stopped()
        except Exception:
            _LOG.exception("the control page has stopped")
        finally:
            self._up.set()

    def _serve_until_stopped(self) -> None:
        uvicorn, build_app = _framework()
        up = self._up

        class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
            """Says when it serves."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                """Begin to serve."""
                await super().startup(sockets)
                up.set()

        app = Guard(build_app(self._desk), self._host, self._port, self.token, self._most_bytes)
        # Deflate would only squeeze JPEGs again, at the expense of the compute thread.
        options = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws_max_size=4096,
                                 ws_per_message_deflate=False, timeout_graceful_shutdown=1, server_header=False,
                                 date_header=False)  # fmt: skip
        self._server = Server(options)
        if not self._stopping.is_set():
            self._server.run(sockets=[self._socket])


def _framework() -> tuple[Any, Any]:
    """Return uvicorn and what builds the page's application."""
    import uvicorn

    from realtime.preview.app import build_app

    return uvicorn, build_app


class PreviewOutput:
    """The output that shows pictures on the control page; only its thread encodes them, and only for those who look."""

    any_size = True

    def __init__(self, config: Config, desk: Desk | None = None, server: PageServer | None = None,
                 notices: Notices | None = None) -> None:  # fmt: skip
        self.desk = desk or Desk(config)
        self._kept = server is not None  # somebody else starts and stops it
        self._server = server or PageServer(self.desk, config)
        self._notices = notices
        self.name = f"preview page {self._server.url}"
        if not self._server.running:
            self._server.load()

    @property
    def url(self) -> str:
        """Address of the page."""
        return self._server.url

    def open(self, stream: Stream) -> None:  # noqa: ARG002
        """Begin to serve; raises `OutputError` when the port is taken."""
        if self._server.running:
            return
        self._server.start()
        if self._server.token is not None and self._notices is not None:
            self._notices(Notice("note", f"open {self._server.url}/?token={self._server.token}"))

    def send(self, composite: Composite) -> None:
        """Show one picture."""
        self.desk.screen.show(composite)

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Stop serving, unless the page outlives the run."""
        if not self._kept:
            self._server.stop()
