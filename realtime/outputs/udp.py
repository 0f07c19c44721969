"""An MPEG-TS stream over UDP with low latency, e.g. for a media source in OBS."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.types import Composite

_PACKET_BYTES = 1316  # seven TS packets: the usual Ethernet-sized datagram


class UdpOutput:
    """Sends H.264 in MPEG-TS to `udp://host:port`; nobody needs to listen."""

    def __init__(self, url: str, config: Config) -> None:
        self.name = url
        self._url, self._config = url, config
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if not parts.hostname or not port:
            raise OutputError(f"output {url}", "host or port is missing", "Use e.g. --output udp://127.0.0.1:9000")
        self._container: Any = None
        self._count = 0

    def open(self, stream: Stream) -> None:
        """Start the stream."""
        import av
        from av.video.reformatter import ColorRange, Colorspace

        self._av, self._matrix, self._range = av, Colorspace.ITU601, ColorRange.MPEG
        self._width, self._height = stream.width + stream.width % 2, stream.height + stream.height % 2
        query = "&" if "?" in self._url else "?"
        try:
            # A packet that says its length need not wait for the next one: a reader sees it a whole period earlier.
            self._container = av.open(f"{self._url}{query}pkt_size={_PACKET_BYTES}", "w", format="mpegts",
                                      options={"flush_packets": "1", "max_delay": "0",
                                               "omit_video_pes_length": "0"})  # fmt: skip
            self._video = self._container.add_stream("libx264", rate=stream.fps)
            context = self._video.codec_context
            self._video.width, self._video.height, self._video.pix_fmt = self._width, self._height, "yuv420p"
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 1, 1, 1
            context.bit_rate = self._config.udp_kbps * 1000
            context.gop_size = max(1, round(stream.fps))  # a viewer who joins waits one second at most
            context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.close(complete=False)
            raise OutputError(f"output {self.name}", f"the stream cannot start ({_words(error)})",
                              "Check host and port, e.g. --output udp://127.0.0.1:9000") from None  # fmt: skip
        self._time_base = Fraction(1) / stream.fps

    def send(self, composite: Composite) -> None:
        """Encode and send one picture."""
        rgb = composite.rgb
        height, width = rgb.shape[:2]
        if (width, height) != (self._width, self._height):
            rgb = np.pad(rgb, ((0, self._height - height), (0, self._width - width), (0, 0)), mode="edge")
        try:
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=self._matrix, dst_color_range=self._range)
            frame.colorspace, frame.color_range = 6, 1
            frame.pts, frame.time_base = self._count, self._time_base
            self._count += 1
            for packet in self._video.encode(frame):
                self._container.mux(packet)
        except (self._av.error.FFmpegError, OSError) as error:
            # "Connection refused" only says that nobody listens on this host yet.
            if getattr(error, "errno", None) != 111:
                raise OutputError(f"output {self.name}", f"sending failed ({_words(error)})",
                                  "Check the network and run again") from None  # fmt: skip

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """End the stream."""
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(self._av.error.FFmpegError, OSError):
                container.close()


def _words(error: Exception) -> str:
    """Return the error's words without its number."""
    return str(getattr(error, "strerror", None) or error)
