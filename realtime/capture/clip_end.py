"""The last seconds of a video file, for motion that goes on where the file ends."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from realtime.capture.clip import ClipDriver
from realtime.clock import NS_PER_S
from realtime.notices import Notices
from realtime.types import Frame


def clip_end(path: Path, seconds: float, longest_px: int, notices: Notices) -> list[Frame]:
    """Return the frames of the last `seconds` of a video file; raises `DriverError` when it cannot be read."""
    clip = ClipDriver(path, longest_px, notices)
    kept: deque[Frame] = deque()
    for item in clip:
        if isinstance(item, Frame):
            kept.append(item)
            while item.captured_ns - kept[0].captured_ns > seconds * NS_PER_S:
                kept.popleft()
    return list(kept)
