"""Pictures that carry their own number: a reader at the far end knows which one it sees and how it should look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]

BITS = 16
_CELLS = BITS + 4  # and a check sum of four bits
BARS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 150, 120), (90, 60, 40), (255, 255, 255), (0, 0, 0),
        (128, 128, 128))  # fmt: skip


def _check(number: int) -> int:
    """Return the check sum: the four nibbles, each turned by its place so that swapped ones show."""
    return (number ^ (number >> 3) ^ (number >> 7) ^ (number >> 12) ^ 0b1010) & 15


def _edges(parts: int, size: int) -> list[int]:
    """Return even borders of `parts` equal stretches of `size`: no chroma sample lies across one."""
    return [size * part // parts // 4 * 4 for part in range(parts)] + [size]


def coded(number: int, width: int, height: int) -> U8:
    """Return a picture (height, width, 3) with `number` (16 bits) in black and white on top and colour bars below."""
    rgb = np.empty((height, width, 3), np.uint8)
    top = height // 4 // 4 * 4
    value = (number & 0xFFFF) << 4 | _check(number & 0xFFFF)
    edges = _edges(_CELLS, width)
    for cell in range(_CELLS):
        rgb[:top, edges[cell] : edges[cell + 1]] = 255 * (value >> (_CELLS - 1 - cell) & 1)
    edges = _edges(len(BARS), width)
    for bar, colour in enumerate(BARS):
        rgb[top:, edges[bar] : edges[bar + 1]] = colour
    return rgb


def decode(luma: npt.NDArray[np.uint8]) -> int | None:
    """Return the number in the luma plane (height, width), None when the check sum says it was torn or is none."""
    return decode_row(luma[luma.shape[0] // 8])


def decode_row(row: Sequence[int] | npt.NDArray[np.uint8]) -> int | None:
    """Return the number in one row of samples through the code, None when the check sum is wrong."""
    value, edges = 0, _edges(_CELLS, len(row))
    for cell in range(_CELLS):
        value = value << 1 | int(row[(edges[cell] + edges[cell + 1]) // 2] > 127)
    number = value >> 4
    return number if _check(number) == value & 15 else None


def to_yuv(rgb: U8) -> tuple[U8, U8, U8]:
    """Return Y, U, V (height, width) of BT.601, limited range, in float and rounded: the measure for what arrives."""
    r, g, b = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = (16 + 219 * y, 128 + 112 * (b - y) / 0.886, 128 + 112 * (r - y) / 0.701)
    return tuple(np.rint(plane).astype(np.uint8) for plane in planes)  # type: ignore[return-value]


def unpack(data: bytes, fourcc: str, width: int, height: int) -> tuple[U8, U8, U8]:
    """Return Y (height, width) and U, V as they are stored (halved both ways, or in width alone) of one raw picture."""
    flat = np.frombuffer(data, np.uint8)
    size = width * height
    if fourcc in ("YUYV", "UYVY"):
        pairs = flat[: 2 * size].reshape(height, width // 2, 4)
        even, odd = pairs[..., 0::2], pairs[..., 1::2]
        luma, chroma = (even, odd) if fourcc == "YUYV" else (odd, even)
        return luma.reshape(height, width), chroma[..., 0], chroma[..., 1]
    luma = flat[:size].reshape(height, width)
    rest = flat[size : size * 3 // 2]
    if fourcc == "NV12":
        both = rest.reshape(height // 2, width // 2, 2)
        return luma, both[..., 0], both[..., 1]
    u, v = rest.reshape(2, height // 2, width // 2)
    return luma, u, v


def worst_error(data: bytes, fourcc: str, expected: U8) -> int:
    """Return the largest difference of any sample of a raw picture from what `expected` (RGB) makes."""
    height, width = expected.shape[:2]
    worst = 0
    for got, plane in zip(unpack(data, fourcc, width, height), to_yuv(expected), strict=True):
        like = plane[:: height // got.shape[0], :: width // got.shape[1]]
        worst = max(worst, int(np.abs(got.astype(int) - like).max()))
    return worst
