"""Video files: H.264 in the container that the file name asks for, with the sound of a file driver.

At live pace the encoder works behind a queue: a picture is stamped when it is handed over and written in its turn.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from realtime.clock import NS_PER_S
from realtime.config import Config
from realtime.errors import OutputError
from realtime.files import part_path
from realtime.notices import Notice, Notices
from realtime.outputs.alpha import straight
from realtime.outputs.audio_copy import AudioCopy
from realtime.outputs.base import Stream
from realtime.outputs.behind import Behind
from realtime.types import U8, Composite

SUFFIXES = (".mp4", ".mov", ".mkv", ".m4v")
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_FEWEST_WAITING = 4  # pictures that may wait for the encoder, however large they are
_TICKS = 90_000  # a second, at least: the grain of presentation times


class VideoOutput:
    """A video file that appears under its name when it is whole."""

    def __init__(self, path: Path, config: Config, notices: Notices) -> None:
        self.name = str(path)
        self._path, self._config, self._notices = path, config, notices
        self._what = f"output {path}"
        self._part = part_path(path)
        self._container: Any = None
        self._audio: AudioCopy | None = None
        self._behind: Behind[tuple[Composite, int]] | None = None
        self._last_pts = -1
        self._first_ns: int | None = None

    def check(self) -> None:
        """Raise `OutputError` for a name that cannot be written, before anything else is done."""
        path, folder = self._path, self._path.parent
        if path.suffix.lower() not in SUFFIXES:
            raise OutputError(self._what, f"`{path.suffix or 'no suffix'}` is not a video format written here",
                              f"End the name in {', '.join(SUFFIXES)}")  # fmt: skip
        if path.is_dir():
            raise OutputError(self._what, "it is a folder", "Add a file name, e.g. out.mp4")
        if path.exists() and not self._config.overwrite:
            raise OutputError(self._what, "the file exists", "Add --overwrite to replace it, or choose another name")
        if not folder.is_dir():
            raise OutputError(self._what, f"the folder {folder} does not exist", f"Run `mkdir -p {folder}` first")
        if not os.access(folder, os.W_OK):
            raise OutputError(self._what, f"the folder {folder} is read-only", "Choose a folder that you may write to")

    def open(self, stream: Stream) -> None:
        """Start the file under a temporary name beside the final one."""
        import av

        self.check()
        self._av, self._stream = av, stream
        width, height = stream.width + stream.width % 2, stream.height + stream.height % 2
        self._pad = (height - stream.height, width - stream.width)
        if any(self._pad):
            self._notices(Notice("note", f"{self._path.name}: {stream.width}x{stream.height} became {width}x{height}: "
                                 "the last line is doubled, as H.264 wants even sides"))  # fmt: skip
        try:
            suffix = self._path.suffix.lower()
            options = {"movflags": "+faststart"} if suffix != ".mkv" else {}
            self._part.open("wb").close()  # FFmpeg would only try at the first picture
            self._container = av.open(str(self._part), "w", format=_FORMATS[suffix], options=options)
            self._clear = stream.alpha and suffix == ".mov"
            if stream.alpha and not self._clear:
                self._notices(Notice("note", f"{self._path.name}: H.264 carries no opacity, the ground is green; a "
                                     "name in .mov keeps it (ProRes 4444)"))  # fmt: skip
            self._video = self._container.add_stream("prores" if self._clear else "libx264", rate=stream.fps)
            self._set_up(width, height, stream.fps)
            self._audio = (
                AudioCopy(self._container, stream.audio, stream.seconds, self._notices) if stream.audio else None
            )
            self._container.start_encoding()  # else the first picture would wait for it
        except (av.error.FFmpegError, OSError) as error:
            self.close(complete=False)
            raise self._failure(error) from None
        if not stream.stamped:
            most = max(_FEWEST_WAITING, int(self._config.file_wait_mb * 1e6 / (3 * width * height)))
            self._behind = Behind(lambda item: self._encode(*item), most, f"encode {self._path.name}")

    def _set_up(self, width: int, height: int, fps: Fraction) -> None:
        """Set the encoder: yuv420p with the BT.601 matrix, tagged.

        OpenCV 4 and plain swscale decode with BT.601 whatever the tag says; players follow the tag. So BT.601 with its
        tag is the one matrix that all of them show alike.
        """
        from av.video.reformatter import ColorRange, Colorspace

        self._matrix, self._range = Colorspace.ITU601, ColorRange.MPEG
        context = self._video.codec_context
        self._pixels = "yuva444p10le" if self._clear else "yuv420p"
        self._video.width, self._video.height, self._video.pix_fmt = width, height, self._pixels
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 1, 1, 1
        h264 = {"crf": str(self._config.crf), "preset": self._config.preset}
        context.options = {} if self._clear else h264  # of FFmpeg's ProRes encoders this one is three times as fast
        context.thread_count = 1 if width * height < 1_000_000 else 0
        self._per_frame = fps.denominator * math.ceil(_TICKS / fps.numerator)
        self._time_base = Fraction(1, fps.numerator * math.ceil(_TICKS / fps.numerator))
        context.time_base = self._time_base

    def send(self, composite: Composite) -> None:
        """Take one picture: encode it, or at live pace leave it to the encoder's thread."""
        pts = self._pts(composite)
        if self._behind is not None:
            self._behind.put((composite, pts))
        else:
            self._encode(composite, pts)

    def _encode(self, composite: Composite, pts: int) -> None:
        try:
            picture = straight(composite) if self._clear else composite.rgb
            frame = self._av.VideoFrame.from_ndarray(self._padded(picture), "rgba" if self._clear else "rgb24")
            frame = frame.reformat(format=self._pixels, dst_colorspace=self._matrix, dst_color_range=self._range)
            frame.colorspace, frame.color_range = 6, 1
            frame.pts, frame.time_base = pts, self._time_base
            if self._audio is not None:
                self._audio.copy_until(float(frame.pts * self._time_base))
            for packet in self._video.encode(frame):
                self._container.mux(packet)
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _padded(self, rgb: U8) -> U8:
        """Return the picture with even sides, its last row and column doubled where needed."""
        if not any(self._pad):
            return np.ascontiguousarray(rgb)
        return np.pad(rgb, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")

    def _pts(self, composite: Composite) -> int:
        """Return the presentation time in ticks of the time base; it always moves on."""
        now_ns = composite.captured_ns if self._stream.stamped else self._stream.clock.now_ns()
        if self._first_ns is None:
            self._first_ns = now_ns
        exact = (now_ns - self._first_ns) / NS_PER_S / float(self._time_base)
        per_frame = self._per_frame
        if self._stream.stamped:
            # A regular file stays exactly regular: stamps within 1 ms of the frame grid are put on it.
            on_grid = round(exact / per_frame) * per_frame
            pts = on_grid if abs(exact - on_grid) * self._time_base < 0.001 else round(exact)
            pts = max(pts, self._last_pts + 1)
        else:
            # The sender's ticks are the frame grid; only a real gap (the sender could not keep up) leaves a hole in it.
            expected = 0 if self._last_pts < 0 else self._last_pts + per_frame
            late = exact - expected
            pts = expected + (round(late / per_frame) * per_frame if late > 1.5 * per_frame else 0)
        self._last_pts = pts
        return pts

    def close(self, complete: bool) -> None:
        """Finish the file and give it its name, or remove what there is of it."""
        behind, self._behind = self._behind, None
        try:
            if behind is not None:
                behind.finish(complete)
        except OutputError:
            self._end(complete=False)
            raise
        self._end(complete)

    def _end(self, complete: bool) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if complete and self._last_pts >= 0:
                for packet in self._video.encode(None):
                    container.mux(packet)
                if self._audio is not None:
                    self._audio.copy_until(float((self._last_pts + self._per_frame) * self._time_base))
            container.close()
            if complete and self._last_pts >= 0:
                self._part.replace(self._path)
        except (self._av.error.FFmpegError, OSError) as error:
            if complete:
                raise self._failure(error) from None
        finally:
            if self._audio is not None:
                self._audio.close()
            with contextlib.suppress(self._av.error.FFmpegError, OSError):
                container.close()
            with contextlib.suppress(OSError):
                self._part.unlink()

    def _failure(self, error: Exception) -> OutputError:
        """Return the user's words for what the writer said."""
        code = getattr(error, "errno", None)
        if code == errno.ENOSPC:
            return OutputError(self._what, "the disk is full; nothing was kept", "Free some space and run again")
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            return OutputError(self._what, f"the folder {self._path.parent} is read-only",
                               "Choose a folder that you may write to")  # fmt: skip
        return OutputError(self._what, f"it cannot be written ({getattr(error, 'strerror', None) or error})",
                           "Choose another --output and run again")  # fmt: skip
