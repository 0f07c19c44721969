"""The sound of a file driver, copied packet by packet (re-encoded to AAC only where the container refuses it)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from realtime.notices import Notice, Notices

_LOG = logging.getLogger("faceanime.audio")
_COPIED = {"aac", "mp3", "ac3", "eac3", "alac"}  # every MP4 player knows these


class AudioCopy:
    """Feeds a container with the sound of another file, in step with its pictures."""

    def __init__(self, target: Any, path: Path, seconds: float | None, notices: Notices) -> None:
        import av

        self._errors = (av.error.FFmpegError, OSError, ValueError)
        self._target, self._seconds = target, seconds
        self._source: Any = None
        try:
            self._source = av.open(str(path))
            stream = self._source.streams.audio[0]
            self._first_s = self._video_start(self._source)
            self._copied = stream.codec_context.name in _COPIED
            if self._copied:
                self._stream = target.add_stream_from_template(stream)
            else:
                self._stream = target.add_stream("aac", rate=stream.codec_context.sample_rate)
            self._packets = self._read(stream)
        except self._errors as error:
            _LOG.debug("audio", exc_info=True)
            notices(Notice("warning", f"the sound of {path.name} cannot be copied ({error}); the video is silent"))
            self._packets = iter(())
        self._waiting: Any = None

    @staticmethod
    def _video_start(source: Any) -> float:
        """Return when the pictures start, s; the sound moves with them."""
        video = source.streams.video[0] if source.streams.video else None
        return float(video.start_time * video.time_base) if video is not None and video.start_time else 0.0

    def _read(self, stream: Any) -> Iterator[tuple[float, Any]]:
        """Yield end-less pairs of start time (s) and packet."""
        if self._copied:
            for packet in self._source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                shift = round(self._first_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                start_s = float(packet.pts * packet.time_base)
                packet.stream = self._stream
                if packet.pts >= 0:
                    yield start_s, packet
            return
        for frame in self._source.decode(stream):
            start_s = (frame.time or 0.0) - self._first_s
            if start_s < 0:
                continue
            frame.pts = None
            for packet in self._stream.encode(frame):
                yield start_s, packet
        for packet in self._stream.encode(None):
            yield float("inf"), packet

    def copy_until(self, end_s: float) -> None:
        """Copy the sound up to `end_s` of the pictures' time; a damaged rest is left out."""
        limit_s = end_s if self._seconds is None else min(end_s, self._seconds)
        try:
            while True:
                if self._waiting is None:
                    self._waiting = next(self._packets, None)
                if self._waiting is None or limit_s < self._waiting[0] < float("inf"):
                    return
                self._target.mux(self._waiting[1])
                self._waiting = None
        except self._errors as error:
            if getattr(error, "errno", None) in (
                28,
                5,
            ):  # no space, input/output: the target's trouble, not the sound's
                raise
            _LOG.debug("audio", exc_info=True)
            self._packets, self._waiting = iter(()), None

    def close(self) -> None:
        """Close the file the sound comes from."""
        if self._source is not None:
            self._source.close()
