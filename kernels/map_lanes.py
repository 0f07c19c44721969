"""The vector steps of the backward map: integer coverage of eight pixels, and bilinear samples of one pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from kernels.lanes import BIT, BYTE, F32, F64, HALF, LANES, LONG, WORD, Emitter, emitted, function, procedure, vector

_THREE = types.UniTuple(types.int64, 3)


def claim_reference(depth: Any, ids: Any, at: int, edges: Any, steps: Any, z: float, z_step: float, name: int) -> None:
    """Let a triangle take those of eight pixels that it covers and where it lies strictly nearer; the plain form.

    depth: flat float32; ids: flat int32; at: index of the first pixel; edges, steps: the three edge functions there and
    their change per column, int64, covered where none is negative; z, z_step: the depth likewise, float64, rounded to
    float32 before it is compared.
    """
    for lane in range(LANES):
        nearness = np.float32(z + z_step * lane)
        i = int(at) + lane
        if min(edges[e] + steps[e] * lane for e in range(3)) >= 0 and nearness > depth[i]:
            depth[i] = nearness
            ids[i] = name


def _claim(
    typingctx: Any, depth: Any, ids: Any, at: Any, edges: Any, steps: Any, z: Any, z_step: Any, name: Any
) -> Any:
    del typingctx, at, edges, steps, z, z_step, name  # Numba passes their types; the signature below fixes them

    def emit(e: Emitter) -> None:
        b = e.builder
        at, z, z_step, name = e.values[2], e.values[5], e.values[6], e.values[7]
        lane = e.constant(LONG, list(range(LANES)))
        signs = None
        for i in range(3):
            value = b.add(e.splat(e.item(3, i)), b.mul(e.splat(e.item(4, i)), lane))
            signs = value if signs is None else b.or_(signs, value)  # the sign of an OR is set if any sign is
        lanes = e.constant(F64, [float(i) for i in range(LANES)])
        near = b.fptrunc(b.fadd(e.splat(z), b.fmul(e.splat(z_step), lanes)), vector(F32))
        old, owner = e.load(0, at, vector(F32)), e.load(1, at, vector(WORD))
        wins = b.and_(b.icmp_signed(">=", signs, e.constant(LONG, [0] * LANES)), b.fcmp_ordered(">", near, old))
        e.store(b.select(wins, near, old), 0, at)
        e.store(b.select(wins, e.splat(name), owner), 1, at)

    return procedure(emit, depth, ids, types.uint64, _THREE, _THREE, types.float64, types.float64, types.int32)


def locate_reference(
    ids: Any, at: int, x: int, plane: Any, limits: Any, sizes: Any, start: Any, fx: Any, fy: Any
) -> int:
    """Find the taps of eight pixels of one triangle, and return how many of them, from the first on, are its own.

    ids: flat int32; at: index of the first pixel; x: its column; plane: (u at column 0, du per column, v at column 0,
    dv per column), float64; limits: the source's last column and row, float32; sizes: the last column and row a tap may
    start at, numbers in a source row and in a source pixel, int32; start (int32), fx, fy (float32): row scratch, which
    receives the tap's first number and the position between the taps. What overshoots is written again by the next.
    """
    for lane in range(LANES):
        u = np.float32(plane[0] + plane[1] * (x + lane))
        v = np.float32(plane[2] + plane[3] * (x + lane))
        # in this order a NaN becomes 0 and never an address
        u = u if u > 0 else np.float32(0)
        v = v if v > 0 else np.float32(0)
        u = u if u < limits[0] else limits[0]
        v = v if v < limits[1] else limits[1]
        i, j = min(int(u), int(sizes[0])), min(int(v), int(sizes[1]))
        start[x + lane] = j * sizes[2] + i * sizes[3]
        fx[x + lane] = u - np.float32(i)
        fy[x + lane] = v - np.float32(j)
    same = ids[int(at) : int(at) + LANES] == ids[int(at)]
    return LANES if same.all() else int(np.argmin(same))


def _locate(
    typingctx: Any, ids: Any, at: Any, x: Any, plane: Any, limits: Any, sizes: Any, start: Any, fx: Any, fy: Any
) -> Any:
    del typingctx, at, x, plane, limits, sizes

    def emit(e: Emitter) -> Any:
        b = e.builder
        at, x = e.values[1], e.values[2]
        columns = b.fadd(e.splat(b.sitofp(x, F64)), e.constant(F64, [float(i) for i in range(LANES)]))
        taps = []
        for axis, target in ((0, 7), (1, 8)):
            place = b.fadd(e.splat(e.item(3, 2 * axis)), b.fmul(e.splat(e.item(3, 2 * axis + 1)), columns))
            u = b.fptrunc(place, vector(F32))
            zero, last = e.constant(F32, 0.0), e.splat(e.item(4, axis))
            u = b.select(b.fcmp_ordered(">", u, zero), u, zero)
            u = b.select(b.fcmp_ordered("<", u, last), u, last)
            whole, most = b.fptosi(u, vector(WORD)), e.splat(e.item(5, axis))
            whole = b.select(b.icmp_signed("<", whole, most), whole, most)
            e.store(b.fsub(u, b.sitofp(whole, vector(F32))), target, x)
            taps.append(b.mul(whole, e.splat(e.item(5, 3 - axis))))
        e.store(b.add(taps[0], taps[1]), 6, x)
        names = e.load(0, at, vector(WORD))
        other = b.bitcast(b.icmp_signed("!=", names, e.shuffle(names, [0] * LANES)), BYTE)
        return b.cttz(b.or_(b.zext(other, LONG), LONG(1 << LANES)), BIT(0))

    f64, f32, i32 = types.float64, types.float32, types.int32
    return function(emit, types.int64, ids, types.uint64, types.int64, types.UniTuple(f64, 4), types.UniTuple(f32, 2),
                    types.UniTuple(i32, 4), start, fx, fy)  # fmt: skip


def sample_reference(image: Any, start: int, pitch: int, fx: float, fy: float, out: Any, at: int) -> None:
    """Write one bilinear RGB sample, rounded with halves up; the plain form.

    image: flat uint8 RGB picture; start: its upper left tap, which must have eight bytes of the picture below it;
    pitch: to the row below; fx, fy: position between the taps, 0..1, float32; out: flat uint8; at: the pixel's red.
    """
    below = int(start) + int(pitch)
    for c in range(3):
        a, b, c2, d = (np.float32(image[i + c]) for i in (int(start), int(start) + 3, below, below + 3))
        left, right = a + (c2 - a) * fy, b + (d - b) * fy
        out[int(at) + c] = np.uint8(left + (right - left) * fx + np.float32(0.5))


def _sample(typingctx: Any, image: Any, start: Any, pitch: Any, fx: Any, fy: Any, out: Any, at: Any) -> Any:
    del typingctx, start, pitch, fx, fy, at

    def emit(e: Emitter) -> None:
        b = e.builder
        _, start, pitch, fx, fy, _, at = e.values

        def row(where: Any) -> Any:  # eight bytes hold both taps
            return b.sitofp(b.zext(e.load(0, where, vector(BYTE)), vector(WORD)), vector(F32))

        upper, lower = row(start), row(b.add(start, pitch))
        both = b.fadd(upper, b.fmul(b.fsub(lower, upper), e.splat(fy)))
        left, right = e.shuffle(both, [0, 1, 2, 3]), e.shuffle(both, [3, 4, 5, 6])
        value = b.fadd(left, b.fmul(b.fsub(right, left), e.splat(fx, 4)))
        value = b.fadd(value, e.constant(F32, 0.5, 4))
        pixel = b.bitcast(b.trunc(b.fptosi(value, vector(WORD, 4)), vector(BYTE, 4)), WORD)
        e.store(b.trunc(pixel, HALF), 5, at)
        e.store(b.trunc(b.lshr(pixel, WORD(16)), BYTE), 5, b.add(at, LONG(2)))

    f32, u64 = types.float32, types.uint64
    return procedure(emit, image, u64, u64, f32, f32, out, u64)


claim: Any = emitted(claim_reference, _claim)
sample: Any = emitted(sample_reference, _sample)
locate: Any = emitted(locate_reference, _locate)
