"""The output `vmc://host:port`: the driver's expression as numbers, never a picture, for apps that show an avatar."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

from models.turning import told
from realtime.clock import NS_PER_S, Clock
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.protocols import vmc
from realtime.protocols.frames import relative
from realtime.types import Composite


class VmcOutput:
    """Sends the driver's motion from neutral with every picture; nobody needs to listen."""

    def __init__(self, url: str) -> None:
        self.name = url
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or port == 0:
            raise OutputError(f"output {url}", "the host is missing, or the port is no number",
                              f"Use e.g. --output vmc://127.0.0.1:{vmc.PORT_OUT}")  # fmt: skip
        vmc.require_osc()
        self._host, self._port = parts.hostname, port or vmc.PORT_OUT
        self._socket: socket.socket | None = None
        self._clock: Clock | None = None
        self._start_ns = 0
        self._counts = {"frames": 0, "no_face": 0}

    @property
    def figures(self) -> dict[str, int]:
        """Counts of the run: frames with a face, frames without."""
        return dict(self._counts)

    def open(self, stream: Stream) -> None:
        """Find the host."""
        if stream.stamped:
            raise OutputError(f"output {self.name}", "apps want the motion as it happens, --pace offline does not wait",
                              "Use --pace live")  # fmt: skip
        try:
            family, kind, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind)
            self._socket.connect(address)
            self._socket.setblocking(False)
        except OSError as error:
            self.close(complete=False)
            raise OutputError(f"output {self.name}", f"{self._host} cannot be reached ({error.strerror or error})",
                              "Check host and port of the app that listens") from None  # fmt: skip
        self._clock = stream.clock
        self._start_ns = stream.clock.now_ns()

    def send(self, composite: Composite) -> None:
        """Send the numbers of one picture."""
        assert self._socket is not None
        assert self._clock is not None
        motion = composite.motion
        params = None
        if motion is not None:
            params = motion.params
            if motion.neutral is not None:
                params = relative(told(params, motion.neutral) if motion.pictured else params, motion.neutral)
        self._counts["frames" if params is not None else "no_face"] += 1
        seconds = (self._clock.now_ns() - self._start_ns) / NS_PER_S
        calibrated = motion is not None and motion.neutral is not None
        for datagram in vmc.encode(params, seconds, calibrated=calibrated or motion is None):
            # Nobody listening yet, or a full buffer, costs this frame and nothing else.
            with contextlib.suppress(OSError):
                self._socket.send(datagram)

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
