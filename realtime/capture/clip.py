"""Video files and network streams as drivers, decoded with PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from realtime.capture.base import Item
from realtime.clock import NS_PER_S, Clock
from realtime.errors import DriverError
from realtime.notices import Notice, Notices, log_notice
from realtime.types import U8, Frame

_LOG = logging.getLogger("faceanime.clip")
_HINT_FILE = "Give a video file that a player can open, e.g. --driver clip.mp4"
_HINT_STREAM = "Check the address in a player, then run again"
_OPEN_S, _READ_S = 8.0, 5.0  # a stream that gives nothing for so long is gone


class ClipDriver:
    """A video file: frames in order, stamped with their presentation time from 0, turned upright."""

    real_time = False
    has_pictures = True

    def __init__(self, path: Path, longest_px: int, notices: Notices = log_notice) -> None:
        self.name = path.name
        if path.is_dir():
            raise DriverError(f"driver {path}", "it is a folder", _HINT_FILE)
        if not path.exists():
            raise DriverError(f"driver {path}", "there is no such file", "Check the path; `python run_live.py devices` "
                              "lists cameras")  # fmt: skip
        if path.stat().st_size == 0:
            raise DriverError(f"driver {path}", "the file is empty (0 bytes)", _HINT_FILE)
        self._reader = _Reader(str(path), longest_px, notices, f"driver {path}", _HINT_FILE)
        self.fps = self._reader.fps
        self.audio: Path | None = path if self._reader.has_audio else None

    def __iter__(self) -> Iterator[Item]:
        return self._reader.frames(None)

    def close(self) -> None:
        """Stop decoding; the file is closed when the iteration ends."""
        self._reader.stopped = True


class StreamDriver:
    """A network stream (rtsp, http, udp, ...): frames as they arrive, stamped on arrival."""

    real_time = True
    has_pictures = True
    audio: Path | None = None

    def __init__(self, url: str, longest_px: int, clock: Clock, notices: Notices = log_notice) -> None:
        self.name = url
        self._clock = clock
        options = {"fflags": "nobuffer", "flags": "low_delay", "rtsp_transport": "tcp"}
        self._reader = _Reader(url, longest_px, notices, f"driver {url}", _HINT_STREAM, options)
        self.fps = self._reader.fps

    def __iter__(self) -> Iterator[Item]:
        return self._reader.frames(self._clock)

    def close(self) -> None:
        """Stop reading; the stream is closed when the iteration ends."""
        self._reader.stopped = True


class _Reader:
    """The part that files and streams share."""

    def __init__(self, url: str, longest_px: int, notices: Notices, what: str, hint: str,
                 options: dict[str, str] | None = None) -> None:  # fmt: skip
        import av

        self._errors = av.error.FFmpegError
        self._what, self._hint, self._notices, self._longest_px = what, hint, notices, longest_px
        self.stopped = False
        try:
            self._container = av.open(url, options=options or {}, timeout=(_OPEN_S, _READ_S))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise DriverError(what, f"it cannot be read as video ({_reason(error)})", hint) from None
        if not self._container.streams.video:
            self._container.close()
            raise DriverError(what, "it holds no video", hint)
        self._stream = self._container.streams.video[0]
        # Frame threads would hold back as many frames as there are threads: fine for a file, latency for a stream.
        self._stream.thread_type = "SLICE" if options else "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = Fraction(rate) if rate and 0 < rate <= 1000 else Fraction(30)
        self.has_audio = bool(self._container.streams.audio)

    def frames(self, clock: Clock | None) -> Iterator[Item]:
        """Yield frames, stamped by `clock`, or by their presentation time from 0 without one."""
        seq, damaged, first_s, last_ns = 0, 0, None, -1
        try:
            for decoded in self._pictures():
                if decoded is None:
                    damaged += 1
                    continue
                if clock is not None:
                    stamp_ns = clock.now_ns()
                else:
                    time_s = decoded.time if decoded.time is not None else float((first_s or 0) + seq / self.fps)
                    first_s = time_s if first_s is None else first_s
                    # Broken files repeat or turn back their stamps; ours always move on.
                    stamp_ns = max(round((time_s - first_s) * NS_PER_S), last_ns + 1)
                last_ns = stamp_ns
                yield Frame(seq, stamp_ns, self._to_rgb(decoded))
                seq += 1
        finally:
            self._container.close()
        if damaged:
            self._notices(Notice("warning", f"{self._what}: {damaged} damaged parts were skipped; the picture waits "
                                 "there, so time stays right"))  # fmt: skip
        if not seq and not self.stopped:
            raise DriverError(self._what, "it holds no picture that can be decoded", self._hint)

    def _pictures(self) -> Iterator[Any]:
        """Yield decoded pictures, and None for each part that cannot be decoded."""
        packets = self._container.demux(self._stream)
        failures = 0
        while not self.stopped:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
                failures = 0
            except (self._errors, OSError) as error:
                _LOG.debug("decoding %s: %s", self._what, error)
                failures += 1
                if failures > 10_000:  # a reader stuck on one error would never end
                    return
                yield None
            except StopIteration:
                return

    def _to_rgb(self, decoded: Any) -> U8:
        """Return the upright RGB picture (H, W, 3), reduced to the longest side allowed."""
        longest = max(decoded.width, decoded.height)
        if longest > self._longest_px:
            k = self._longest_px / longest
            decoded = decoded.reformat(width=max(2, round(decoded.width * k)), height=max(2, round(decoded.height * k)),
                                       format="rgb24")  # fmt: skip
        turns = round(decoded.rotation / 90) % 4
        rgb: U8 = decoded.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _reason(error: Exception) -> str:
    """Return FFmpeg's words without its numbers."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text)[:1].lower() + str(text)[1:]
