"""From the word after `--driver` to a driver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.capture.base import Driver
from realtime.capture.camera import CameraDriver, list_cameras
from realtime.capture.clip import ClipDriver, StreamDriver
from realtime.clock import Clock
from realtime.config import Config
from realtime.errors import DriverError
from realtime.notices import Notice, Notices
from realtime.protocols.receiver import SCHEMES, RemoteDriver


@dataclass(frozen=True)
class Choice:
    """What `--driver` means on this machine."""

    kind: Literal["camera", "clip", "stream", "remote", "imagine"]
    value: str = ""  # camera number, path or address

    @property
    def has_pictures(self) -> bool:
        """Whether a tracker is needed."""
        return self.kind not in ("remote", "imagine")


def choose_driver(config: Config, notices: Notices) -> Choice:
    """Decide what `config.driver` means and say so when it was left open."""
    word = config.driver
    if word == "auto":
        cameras = list_cameras()
        if cameras:
            index, name = cameras[0]
            notices(Notice("chose", f"driver: camera {index} ({name}), the first one found"))
            return Choice("camera", str(index))
        notices(Notice("chose", "driver: imagined motion, because no camera was found (choose with --driver)"))
        return Choice("imagine")
    if word == "imagine":
        return Choice("imagine")
    if word.isdecimal():
        return Choice("camera", word)
    if "://" in word and word.split("://")[0] in SCHEMES:
        return Choice("remote", word)
    if "://" in word and not word.startswith("file://"):
        return Choice("stream", word)
    return Choice("clip", word.removeprefix("file://"))


def check_pace(choice: Choice, config: Config) -> None:
    """Raise `DriverError` when the driver cannot go at the pace asked for."""
    if config.pace == "live":
        return
    if choice.kind in ("camera", "stream", "remote"):
        raise DriverError(f"driver {config.driver}", "--pace offline needs a driver that can wait: a file or imagine",
                          "Use --pace live, or give a video file")  # fmt: skip
    if choice.kind == "imagine" and config.seconds is None:
        raise DriverError("driver imagine", "it never ends, so --pace offline would not either",
                          "Add e.g. --seconds 10")  # fmt: skip


def open_driver(choice: Choice, config: Config, clock: Clock, notices: Notices) -> Driver | None:
    """Open a driver; None for `imagine`, which needs the models first."""
    if choice.kind == "camera":
        return CameraDriver(int(choice.value), config, clock, notices)
    if choice.kind == "clip":
        return ClipDriver(Path(choice.value).expanduser(), config.driver_size, notices)
    if choice.kind == "stream":
        return StreamDriver(choice.value, config.driver_size, clock, notices)
    if choice.kind == "remote":
        return RemoteDriver(choice.value, clock, notices)
    return None
