"""What v4l2loopback says about its devices: Linux's virtual cameras.

A device of the module can be given to one writer. With `exclusive_caps=1` it shows itself as an output until somebody
writes and as a camera from then on, which is what browsers and call apps ask for. Its picture format stays fixed as
long as anybody, writer or reader, holds it open.

The module of Debian 12 (0.12.7) forgets to make the device an output again after a writer that never said STREAMON, and
pyvirtualcam never does: without help a camera could be used once until the module is loaded anew. So `Claim` says it
on a handle of its own, which the module sees closing even when the program is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_QUERYCAP = 0x80685600  # VIDIOC_QUERYCAP: driver[16] card[32] bus[32] version capabilities device_caps reserved[3]
_STREAMON = 0x40045612  # VIDIOC_STREAMON: type
_S_PARM = 0xC0CC5616  # VIDIOC_S_PARM: type, then 200 bytes: capability, mode, time per frame (2 numbers), ...
_CAPTURE, _OUTPUT, _DEVICE_CAPS = 0x1, 0x2, 0x80000000  # V4L2_CAP_...
_BUFFER_OUTPUT = 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
_SYSFS = Path("/sys/class/video4linux")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Fixed:
    """The format that a device keeps while somebody holds it."""

    fourcc: str  # e.g. "YU12"
    width: int  # px
    height: int  # px


@dataclass(frozen=True)
class Loopback:
    """One device of v4l2loopback."""

    path: str  # e.g. "/dev/video10"
    label: str  # the name that call apps show
    allowed: bool = True  # False: this user may not open it
    taken: bool = False  # somebody writes to it
    open_caps: bool = False  # True: not `exclusive_caps=1`, so browsers and many call apps do not list it
    fixed: Fixed | None = None


def find_loopbacks(sysfs: Path = _SYSFS, dev: Path = Path("/dev")) -> list[Loopback]:
    """Return the devices of v4l2loopback in the order of their numbers."""
    folders = [path for path in sysfs.glob("video*") if (path / "max_openers").exists()]
    return [_look(path, dev / path.name) for path in sorted(folders, key=lambda path: int(path.name[5:]))]


def read_format(device: str, sysfs: Path = _SYSFS) -> Fixed | None:
    """Return the format that `device` keeps at present, None when it is free to choose."""
    try:
        text = (sysfs / Path(device).name / "format").read_text()
    except OSError:
        return None
    match = re.match(r"(.{4}):(\d+)x(\d+)@", text)
    return Fixed(match[1], int(match[2]), int(match[3])) if match else None


def _look(folder: Path, path: Path) -> Loopback:
    """Return what one device says."""
    label = (folder / "name").read_text(errors="replace").strip()
    fixed = read_format(path.name, folder.parent)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Loopback(str(path), label, allowed=False, fixed=fixed)
    try:
        caps = _caps(handle)
        if not caps & (_CAPTURE | _OUTPUT) and _forgets_writers(folder):
            # Left behind by another program: a writer that ends properly makes it an output again.
            _stream_on(handle)
            os.close(handle)
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            caps = _caps(handle)
        busy = not caps & _OUTPUT or not _lock(handle)
        both = caps & 3 == _CAPTURE | _OUTPUT
        return Loopback(str(path), label, taken=busy, open_caps=both and fixed is None, fixed=fixed)
    except OSError:
        return Loopback(str(path), label, allowed=False, fixed=fixed)
    finally:
        os.close(handle)


def _forgets_writers(folder: Path) -> bool:
    """Say whether the device of this sysfs folder is of the older kind: newer modules have a `state` file."""
    return folder.exists() and not (folder / "state").exists()


def _caps(handle: int) -> int:
    """Return the capabilities of the open device; raises `OSError`."""
    answer = bytearray(104)
    fcntl.ioctl(handle, _QUERYCAP, answer)
    common, own = struct.unpack_from("=II", answer, 84)
    return int(own if common & _DEVICE_CAPS else common)


def _stream_on(handle: int) -> None:
    """Become the device's writer in the module's eyes, whatever it thinks of the format."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(handle, _STREAMON, struct.pack("=i", _BUFFER_OUTPUT))


def _lock(handle: int) -> bool:
    """Lock a device for this program; False when another run of the engine has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Claim:
    """Keeps other runs of the engine off a device: two writers would show two pictures in turns."""

    def __init__(self, path: str, fps: Fraction) -> None:
        self._handle: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if not _lock(self._handle):
            self.close()
            raise BlockingIOError
        self._forgetful = _forgets_writers(_SYSFS / Path(path).name)
        number = struct.pack("=IIIII", _BUFFER_OUTPUT, 0, 0, fps.denominator, fps.numerator).ljust(204, b"\0")
        with contextlib.suppress(OSError):  # a module that does not know the call says 30 to everybody
            fcntl.ioctl(self._handle, _S_PARM, number)

    def start(self) -> None:
        """Say that pictures follow, once the format is set."""
        if self._handle is not None and self._forgetful:
            _stream_on(self._handle)

    def close(self) -> None:
        """Give the device back; the last one to do so."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def holders(device: str, proc: Path = _PROC) -> list[str]:
    """Return `name (pid)` of this user's other programs that have `device` open."""
    found = []
    for process in proc.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) == device for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
    return found
