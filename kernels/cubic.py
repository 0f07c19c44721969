"""The four-lane step of `paste.lay_over`: a cubic sample of premultiplied colour and cover, laid over one pixel.

Written for LLVM by hand (`kernels/lanes.py`) because Numba takes the four channels one by one; the plain
twin rounds alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from kernels.lanes import BYTE, F32, HALF, LONG, WORD, Emitter, emitted, function, procedure, vector

_FOUR = types.UniTuple(types.float32, 4)


def blank_reference(painted: Any, start: int, pitch: int) -> bool:
    """Return whether two by two pixels are all 0: their first number is `start`, `pitch` numbers make a row."""
    rows = [painted[int(start) + r : int(start) + r + 8] for r in (0, int(pitch))]
    return not any(np.any(row != 0) for row in rows)


def _blank(typingctx: Any, painted: Any, start: Any, pitch: Any) -> Any:
    del typingctx, start, pitch

    def emit(e: Emitter) -> Any:
        b = e.builder
        _, start, pitch = e.values
        bits = b.or_(e.load(0, start, vector(WORD)), e.load(0, b.add(start, pitch), vector(WORD)))
        bits = b.and_(bits, e.constant(WORD, [0x7FFFFFFF] * 8))  # -0 is 0 too
        some = b.bitcast(b.icmp_unsigned("!=", bits, e.constant(WORD, [0] * 8)), BYTE)
        return b.icmp_unsigned("==", some, BYTE(0))

    return function(emit, types.boolean, painted, types.uint64, types.uint64)


def lay_reference(painted: Any, start: int, pitch: int, wx: Any, wy: Any, picture: Any, at: int) -> None:
    """Lay the weighted sum of four by four pixels over one: picture * (1 - cover) + colour, rounded; the plain form.

    painted: flat float32, colour 0..255 and cover; start: its first tap, `pitch` numbers a row; wx, wy: four weights
    each, float32; picture: flat uint8; at: the pixel's red.
    """
    total = np.zeros(4, np.float32)
    for r in range(4):
        first = int(start) + r * int(pitch)
        row = np.zeros(4, np.float32)
        for c in range(4):
            row = row + painted[first + 4 * c : first + 4 * c + 4] * wx[c]
        total = total + row * wy[r]
    rest = np.float32(1.0) - min(max(total[3], np.float32(0.0)), np.float32(1.0))
    for c in range(3):
        value = np.float32(picture[int(at) + c]) * rest + total[c]
        picture[int(at) + c] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)) + np.float32(0.5))


def _lay(typingctx: Any, painted: Any, start: Any, pitch: Any, wx: Any, wy: Any, picture: Any, at: Any) -> Any:
    del typingctx, start, pitch, wx, wy, at

    def emit(e: Emitter) -> None:
        b = e.builder
        start, pitch, at = e.values[1], e.values[2], e.values[6]
        zero = e.constant(F32, [0.0] * 4)
        columns = [e.splat(e.item(3, c), 4) for c in range(4)]
        total, first = zero, start
        for r in range(4):
            row = zero
            for c in range(4):
                tap = e.load(0, b.add(first, LONG(4 * c)), vector(F32, 4))
                row = b.fadd(row, b.fmul(tap, columns[c]))
            total = b.fadd(total, b.fmul(row, e.splat(e.item(4, r), 4)))
            first = b.add(first, pitch)

        def within(value: Any, most: float) -> Any:
            value = b.select(b.fcmp_ordered(">", value, zero), value, zero)
            top = e.constant(F32, [most] * 4)
            return b.select(b.fcmp_ordered("<", value, top), value, top)

        rest = b.fsub(e.constant(F32, [1.0] * 4), within(e.shuffle(total, [3] * 4), 1.0))
        two = b.zext(e.load(5, at, HALF), WORD)  # three bytes as two and one: never past the last pixel
        one = b.zext(e.load(5, b.add(at, LONG(2)), BYTE), WORD)
        under = b.uitofp(b.bitcast(b.or_(two, b.shl(one, WORD(16))), vector(BYTE, 4)), vector(F32, 4))
        value = b.fadd(within(b.fadd(b.fmul(under, rest), total), 255.0), e.constant(F32, [0.5] * 4))
        pixel = b.bitcast(b.trunc(b.fptosi(value, vector(WORD, 4)), vector(BYTE, 4)), WORD)
        e.store(b.trunc(pixel, HALF), 5, at)
        e.store(b.trunc(b.lshr(pixel, WORD(16)), BYTE), 5, b.add(at, LONG(2)))

    return procedure(emit, painted, types.uint64, types.uint64, _FOUR, _FOUR, picture, types.uint64)


blank: Any = emitted(blank_reference, _blank)
lay: Any = emitted(lay_reference, _lay)
