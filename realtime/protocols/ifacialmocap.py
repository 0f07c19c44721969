"""iFacialMocap's text packets (ifacialmocap.com/for-developer): what a phone says about a head.

`name-value|...|=head#rx,ry,rz,x,y,z|rightEye#rx,ry,rz|leftEye#rx,ry,rz|`, values 0..100, degrees, metres; from data
version 2 on the sign between name and value is `&`. Blocks are found by name, unknown ones ignored, a unit that is
not there keeps its last value.
"""

from __future__ import annotations

import math

import numpy as np

from models.face import F32, F64, N_UNITS, FaceParams
from realtime.protocols.frames import params_of_arkit, unit_index
from realtime.protocols.vmc import MalformedError

PORT = 49983  # of the phone and of the receiver
HELLO = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2"
_LONGEST = 16_384  # bytes; a full packet has about 1,400
_STILL_NS = 1_000_000_000  # no face is so still: a phone that repeats itself has lost it


class Decoder:
    """Reads the packets of one phone."""

    def __init__(self) -> None:
        self._units: F32 = np.zeros(N_UNITS, np.float32)
        self._last = b""
        self._changed_ns: int | None = None

    def feed(self, datagram: bytes, at_ns: int) -> list[FaceParams | None]:
        """Return the packet's params, None when the phone says, or shows by repeating itself, that it has no face.

        Raises `MalformedError` for a packet without a unit, or with a number that is none.
        """
        if len(datagram) > _LONGEST:
            raise MalformedError(f"{len(datagram)} bytes")
        try:
            text = datagram.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError(str(error)) from None
        units, blocks, status = _read(text)
        if datagram != self._last or self._changed_ns is None:
            self._last, self._changed_ns = datagram, at_ns
        for index, value in units.items():
            self._units[index] = value
        if status == 0.0 or at_ns - self._changed_ns > _STILL_NS:
            return [None]
        head = blocks.get("head", np.zeros(6))
        eyes = (blocks.get("leftEye"), blocks.get("rightEye"))
        return [params_of_arkit(self._units.copy(), head[:3], head[3:], eyes)]


def _read(text: str) -> tuple[dict[int, float], dict[str, F64], float | None]:
    """Return units by index (0..1), blocks by name (head (6,), eyes (3,)) and the tracking status."""
    units: dict[int, float] = {}
    blocks: dict[str, F64] = {}
    status: float | None = None
    for part in text.replace("=", "|").split("|"):
        name, mark, rest = part.strip().partition("#")
        if mark:
            if name in ("head", "rightEye", "leftEye"):
                blocks[name] = _block(name, rest)
            continue
        separator = "&" if "&" in name else "-"
        key, mark, number = name.partition(separator)
        key = key.strip()
        index = unit_index(key)
        if not mark or (index is None and key != "trackingStatus"):
            continue
        value = _number(number)
        if index is None:
            status = value
        else:
            units[index] = min(max(value / 100.0, 0.0), 1.0)
    if not units:
        raise MalformedError("no unit in it")
    return units, blocks, status


def _block(name: str, text: str) -> F64:
    numbers = [_number(word) for word in text.split(",")]
    if name == "head" and len(numbers) == 3:  # before 1.0.6 there was no position
        numbers += [0.0, 0.0, 0.0]
    if len(numbers) != (6 if name == "head" else 3):
        raise MalformedError(f"{name} has {len(numbers)} numbers")
    return np.array(numbers)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise MalformedError(f"not a number: {text[:20]!r}") from None
    if not math.isfinite(value) or abs(value) > 1e4:
        raise MalformedError(f"out of range: {text[:20]!r}")
    return value
