"""The virtual camera, through pyvirtualcam (GPL-2.0: an optional extra, imported only here)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.outputs.canvas import Canvas
from realtime.types import U8, Composite

_PLATFORM: str = sys.platform  # a variable, or mypy would call the other platforms unreachable
PIP_LINE = "Run `.venv/bin/pip install pyvirtualcam` (Windows: `.venv\\Scripts\\pip install pyvirtualcam`)"
# max_buffers=4 is what readers ask for: with more, Debian 12's module can crash the kernel when a reader comes.
_MODPROBE = "sudo modprobe v4l2loopback devices={devices} exclusive_caps={caps} max_buffers=4 card_label={labels}"
_CLOSE_APPS = "Close the apps that show it, then start again"
_NO_DEVICE = {
    "linux": "Run `sudo apt install v4l2loopback-dkms && " + _MODPROBE.format(devices=1, caps=1, labels="FaceAnime")
             + "`",
    "darwin": "Install OBS 30 or later from obsproject.com, click `Start Virtual Camera` once, then close OBS",
    "win32": "Install OBS 26 or later from obsproject.com, or UnityCapture",
}  # fmt: skip
# v4l2 fourcc -> (word after --vcam-format, name in pyvirtualcam, name in FFmpeg)
_FORMATS = {"YU12": ("i420", "RGB", ""), "NV12": ("nv12", "NV12", "nv12"), "YUYV": ("yuyv", "YUYV", "yuyv422"),
            "UYVY": ("uyvy", "UYVY", "uyvy422")}  # fmt: skip


class VcamOutput:
    """A camera that call apps can choose; it always has the size of `vcam_canvas` unless --canvas says otherwise.

    `device` names one, e.g. `/dev/video11`; else the first free one is taken.
    """

    name = "virtual camera"

    def __init__(self, config: Config, device: str | None = None) -> None:
        self._config, self._device = config, device
        self._size = config.canvas or config.vcam_canvas
        self._fourcc = next((code for code, words in _FORMATS.items() if words[0] == config.vcam_format), "YU12")
        self._camera: Any = None
        self._claim: Any = None
        self._proven = False

    def check(self) -> None:
        """Raise `OutputError` when it is plain already that no device can be opened: before any model is loaded."""
        import_pyvirtualcam()
        if _PLATFORM == "linux":
            self._choose()

    def open(self, stream: Stream) -> None:
        """Open the virtual camera."""
        pyvirtualcam = import_pyvirtualcam()
        label = ""
        try:
            if _PLATFORM == "linux":
                label = self._claim_loopback(stream)
            self._canvas = Canvas(*self._size)
            name, self._pixels = _FORMATS[self._fourcc][1:]
            self._camera = pyvirtualcam.Camera(*self._size, float(stream.fps), device=self._device,
                                               fmt=getattr(pyvirtualcam.PixelFormat, name))  # fmt: skip
            if self._claim is not None:
                self._claim.start()
        except (RuntimeError, OSError, ValueError) as error:
            self.close(complete=False)
            busy = "could not be configured" in str(error)  # v4l2loopback: a reader holds it, and its buffers
            raise OutputError("output vcam", f"no virtual camera device can be opened ({_first_line(error)})",
                              _CLOSE_APPS if busy else device_hint()) from None  # fmt: skip
        width, height = self._size
        self.name = f"virtual camera {self._camera.device}{label}, {width}x{height} {_FORMATS[self._fourcc][0]}"

    def send(self, composite: Composite) -> None:
        """Show one picture."""
        rgb = self._canvas.place(composite.rgb, composite.look, composite.ground)
        try:
            self._camera.send(_packed(rgb, self._pixels) if self._pixels else rgb)
        except (RuntimeError, OSError) as error:
            raise OutputError("output vcam", f"the device went away ({_first_line(error)})", device_hint()) from None
        if _PLATFORM == "linux":
            self._check_loopback()

    def close(self, complete: bool) -> None:  # noqa: ARG002
        """Give the device back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.close()

    def _choose(self) -> Any:
        """Return the loopback device to use; raises `OutputError` when there is none."""
        from realtime.outputs.loopback import find_loopbacks, holders

        every = find_loopbacks()
        wanted = [one for one in every if self._device in (None, one.path, one.label)]
        if not every:
            raise OutputError("output vcam", "there is no virtual camera device (v4l2loopback is not loaded)",
                              device_hint())  # fmt: skip
        if not wanted:
            raise OutputError("output vcam", f"{self._device} is no virtual camera",
                              f"Use --output vcam:{every[0].path}")  # fmt: skip
        free = [one for one in wanted if one.allowed and not one.taken]
        if free:
            return free[0]
        if not any(one.allowed for one in wanted):
            raise OutputError("output vcam", f"you may not open {wanted[0].path}",
                              "Run `sudo usermod -aG video $USER` and log in again")  # fmt: skip
        path = wanted[0].path
        who = ", ".join(holders(path)) or "another user's program"
        more = _MODPROBE.format(devices=2, caps="1,1", labels="FaceAnime,FaceAnime2")
        raise OutputError("output vcam", f"{path} is in use by another program ({who})",
                          f"Close it, or make a second camera: `sudo modprobe -r v4l2loopback && {more}`")  # fmt: skip

    def _claim_loopback(self, stream: Stream) -> str:
        """Choose a loopback device, fall in with a format it is fixed to, and return what to say about it."""
        from realtime.outputs.loopback import Claim

        chosen = self._choose()
        fixed = chosen.fixed
        if fixed is not None:
            asked = self._config.canvas not in (None, (fixed.width, fixed.height))
            asked = asked or (self._config.vcam_format != "auto" and self._fourcc != fixed.fourcc)
            if asked or fixed.fourcc not in _FORMATS:
                raise OutputError("output vcam", f"{chosen.path} stays {fixed.width}x{fixed.height} {fixed.fourcc} as "
                                  "long as a program has it open", _CLOSE_APPS)  # fmt: skip
            self._size, self._fourcc = (fixed.width, fixed.height), fixed.fourcc
        try:
            self._claim = Claim(chosen.path, stream.fps)
        except BlockingIOError:
            raise OutputError("output vcam", f"another run of the engine has just taken {chosen.path}",
                              "End it, then start again") from None  # fmt: skip
        self._device = chosen.path
        return f" ({chosen.label})" + ("; browsers want exclusive_caps=1" if chosen.open_caps else "")

    def _check_loopback(self) -> None:
        """Raise `OutputError` when pictures do not arrive: pyvirtualcam itself only complains on stderr."""
        from realtime.outputs.loopback import Fixed, read_format

        if not Path(str(self._device)).exists():
            raise OutputError("output vcam", f"{self._device} went away", device_hint())
        if self._proven:
            return
        self._proven = True
        now, mine = read_format(str(self._device)), Fixed(self._fourcc, *self._size)
        if now != mine:
            got = f"{now.width}x{now.height} {now.fourcc}" if now else "nothing"
            raise OutputError("output vcam", f"{self._device} shows {got} instead of {mine.width}x{mine.height} "
                              f"{mine.fourcc}", _CLOSE_APPS)  # fmt: skip


def _packed(rgb: U8, pixels: str) -> U8:
    """Return `rgb` (H, W, 3) as the bytes of FFmpeg's pixel format `pixels`, BT.601 limited range."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    frame = frame.reformat(format=pixels, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG,
                           interpolation=Interpolation.AREA)  # fmt: skip
    width = rgb.shape[1] * (1 if pixels == "nv12" else 2)  # bytes of a row
    rows = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, :width] for plane in frame.planes]
    return np.ascontiguousarray(np.concatenate(rows)).reshape(-1)


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
        if _PLATFORM == "linux":
            VcamOutput(Config())._choose()
            return None
    except OutputError as error:
        return error.why
    try:
        pyvirtualcam.Camera(640, 480, 30).close()
    except (RuntimeError, OSError) as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    """Return the first line of an error's words: pyvirtualcam lists every backend on a line of its own."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())[:200]
