"""The drivers `vmc://` and `ifacialmocap://`: a phone or a tracking program moves the photo, no camera is opened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from models.face import FaceParams
from realtime.capture.base import Item
from realtime.clock import NS_PER_S, Clock
from realtime.errors import DriverError
from realtime.notices import Notice, Notices
from realtime.protocols import ifacialmocap, vmc
from realtime.types import Tracked

SCHEMES = ("vmc", "ifacialmocap")
_POLL_S = 0.1
_SILENT_NS = NS_PER_S  # after so long without a packet another sender may take over, and a phone is greeted again
_WAIT_NOTICE_NS = 5 * NS_PER_S
_DATAGRAM = 65_535


class Decoder(Protocol):
    """Turns datagrams into params."""

    def feed(self, datagram: bytes, at_ns: int) -> list[FaceParams | None]:
        """Return the frames a datagram completes (None: no face); raises `MalformedError`."""
        ...


class RemoteDriver:
    """Receives one sender's packets on a UDP port; several senders at once are kept apart: the first one counts."""

    real_time = True
    has_pictures = False
    audio: Path | None = None
    fps = Fraction(60)  # what phones send; a slower sender is no harm

    def __init__(self, url: str, clock: Clock, notices: Notices) -> None:
        self.name = url
        self._clock, self._notices = clock, notices
        scheme, host, port = _split(url)
        self._decoder: Decoder = vmc.Decoder() if scheme == "vmc" else ifacialmocap.Decoder()
        self._phone: tuple[str, int] | None = None
        bind = host or "127.0.0.1"
        if scheme == "vmc":
            vmc.require_osc()
        else:
            bind = "127.0.0.1" if host.startswith("127.") else "0.0.0.0"
            self._phone = (_address(url, host), port) if host and host != "0.0.0.0" else None
        self._sender: str | None = None
        self._heard_ns = self._greeted_ns = clock.now_ns() - 2 * NS_PER_S
        self._closed = threading.Event()
        self._counts = {"packets": 0, "malformed": 0, "ignored": 0, "frames": 0, "no_face": 0}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((bind, port))
        except OSError as error:
            self._socket.close()
            raise DriverError(f"driver {url}", f"port {port} of {bind} cannot be opened ({error.strerror or error})",
                              "Close the program that has it, or name another port; 0.0.0.0 is every address of this "
                              "machine") from None  # fmt: skip
        self._socket.settimeout(_POLL_S)
        self.address: tuple[str, int] = self._socket.getsockname()

    @property
    def figures(self) -> dict[str, int]:
        """Counts of the run: packets, those malformed, those of other senders, frames made, frames without a face."""
        return dict(self._counts)

    def __iter__(self) -> Iterator[Item]:
        seq = 0
        start_ns = self._clock.now_ns()
        told = False
        try:
            while not self._closed.is_set():
                self._greet()
                try:
                    datagram, source = self._socket.recvfrom(_DATAGRAM)
                except TimeoutError:
                    if not told and not self._counts["packets"] and self._clock.now_ns() - start_ns > _WAIT_NOTICE_NS:
                        told = True
                        self._notices(Notice("warning", f"no packet has come to {self.address[0]}:{self.address[1]}; "
                                             "the photo idles. Set this machine's address in the app"))  # fmt: skip
                    continue
                except OSError:
                    if self._closed.is_set():
                        break
                    continue  # Windows reports "port unreachable" of an earlier greeting here
                at_ns = self._clock.now_ns()
                for params in self._decode(datagram, source[0], at_ns):
                    yield Tracked(seq, at_ns, params, float(params is not None))
                    seq += 1
        finally:
            self._socket.close()

    def close(self) -> None:
        """End the iteration within a tenth of a second."""
        self._closed.set()

    def _decode(self, datagram: bytes, host: str, at_ns: int) -> list[FaceParams | None]:
        """Return the frames of a datagram; foreign and malformed ones are counted and give none."""
        self._counts["packets"] += 1
        foreign = self._phone is not None and host != self._phone[0]
        if foreign or (self._sender not in (None, host) and at_ns - self._heard_ns < _SILENT_NS):
            self._counts["ignored"] += 1
            return []
        try:
            frames = self._decoder.feed(datagram, at_ns)
        except vmc.MalformedError:
            self._counts["malformed"] += 1
            return []
        self._heard_ns = at_ns
        if self._sender != host:
            self._sender = host
            self._notices(Notice("note", f"driver: receiving from {host}"))
        self._counts["frames"] += len(frames)
        self._counts["no_face"] += sum(params is None for params in frames)
        return frames

    def _greet(self) -> None:
        """Ask a silent phone for its packets, once a second."""
        now_ns = self._clock.now_ns()
        if self._phone is None or now_ns - max(self._heard_ns, self._greeted_ns) < _SILENT_NS:
            return
        self._greeted_ns = now_ns
        try:
            self._socket.sendto(ifacialmocap.HELLO, self._phone)
        except OSError as error:
            raise DriverError(f"driver {self.name}", f"the phone at {self._phone[0]} cannot be reached "
                              f"({error.strerror or error})",
                              "Use the address that the app shows") from None  # fmt: skip


def _address(url: str, host: str) -> str:
    """Return the IPv4 address of a name: packets carry addresses."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        raise DriverError(f"driver {url}", f"no machine called {host} is known",
                          "Use the address that the app shows") from None  # fmt: skip


def _split(url: str) -> tuple[str, str, int]:
    """Return scheme, host ("" when left out) and port of a driver's address."""
    parts = urlsplit(url)
    default = vmc.PORT_IN if parts.scheme == "vmc" else ifacialmocap.PORT
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.path not in ("", "/"):
        raise DriverError(f"driver {url}", "it is not of the form scheme://host:port",
                          f"Use e.g. --driver {parts.scheme}://0.0.0.0:{default}")  # fmt: skip
    return parts.scheme, parts.hostname or "", port or default
