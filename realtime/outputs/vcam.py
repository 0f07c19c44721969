"""The virtual camera, through pyvirtualcam (GPL-2.0: an optional extra, imported only here)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.outputs.canvas import Canvas
from realtime.types import Composite

_PLATFORM: str = sys.platform  # a variable, or mypy would call the other platforms unreachable
PIP_LINE = "Run `.venv/bin/pip install pyvirtualcam` (Windows: `.venv\\Scripts\\pip install pyvirtualcam`)"
_NO_DEVICE = {
    "linux": "Run `sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback devices=1 exclusive_caps=1 "
             "card_label=FaceAnime`",
    "darwin": "Install OBS 30 or later from obsproject.com, click `Start Virtual Camera` once, then close OBS",
    "win32": "Install OBS 26 or later from obsproject.com, or UnityCapture",
}  # fmt: skip


class VcamOutput:
    """A camera that call apps can choose; it always has the size of `vcam_canvas` unless --canvas says otherwise."""

    name = "virtual camera"

    def __init__(self, config: Config) -> None:
        self._size = config.canvas or config.vcam_canvas
        self._canvas = Canvas(*self._size)
        self._camera: Any = None

    def open(self, stream: Stream) -> None:
        """Open the first virtual camera that works."""
        pyvirtualcam = import_pyvirtualcam()
        try:
            self._camera = pyvirtualcam.Camera(*self._size, float(stream.fps), fmt=pyvirtualcam.PixelFormat.RGB)
        except (RuntimeError, OSError, ValueError) as error:
            raise OutputError("output vcam", f"no virtual camera device can be opened ({_first_line(error)})",
                              device_hint()) from None  # fmt: skip
        self.name = f"virtual camera {self._camera.device}"

    def send(self, composite: Composite) -> None:
        """Show one picture."""
        try:
            self._camera.send(self._canvas.place(composite.rgb, composite.look))
        except (RuntimeError, OSError) as error:
            raise OutputError("output vcam", f"the device went away ({_first_line(error)})", device_hint()) from None

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Give the device back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def import_pyvirtualcam() -> Any:
    """Return the module, or raise `OutputError` with the pip line."""
    try:
        import pyvirtualcam
    except ImportError:
        raise OutputError("output vcam", "the package pyvirtualcam is not installed", PIP_LINE) from None
    return pyvirtualcam


def device_hint() -> str:
    """Return what makes a virtual camera device on this platform."""
    return _NO_DEVICE.get(_PLATFORM, _NO_DEVICE["linux"])


def why_unusable() -> str | None:
    """Return why there is no virtual camera here, None if there seems to be one."""
    try:
        pyvirtualcam = import_pyvirtualcam()
    except OutputError as error:
        return error.why
    if _PLATFORM == "linux":
        names = [path.read_text(errors="replace") for path in Path("/sys/class/video4linux").glob("video*/name")]
        if not any(word in name.lower() for name in names for word in ("loopback", "dummy", "faceanime", "obs")):
            return "no v4l2loopback device"
        return None
    try:
        pyvirtualcam.Camera(640, 480, 30).close()
    except (RuntimeError, OSError) as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    """Return the first line of an error's words: pyvirtualcam lists every backend on a line of its own."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())[:200]
