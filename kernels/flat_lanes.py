"""The vector steps of `flat`: the published inside test on eight pixels, and one pixel's colour copied as one word."""

from __future__ import annotations

from typing import Any

from numba import types

from kernels.lanes import F64, LANES, WORD, Emitter, emitted, procedure, vector

EDGES = types.UniTuple(types.float64, 9)


def cover_reference(depth: Any, ids: Any, at: int, x: float, right: float, edges: Any, z: float, name: int) -> None:
    """Let a triangle take those of eight pixels that it covers and where it lies strictly nearer; the plain form.

    depth: flat float64; ids: flat int32; at: index of the first pixel; x: its column; right: the box's last column;
    edges: (x1, ax, bx, aa, ab, bb, inverse, ay * py, by * py) with a = p3 - p1, b = p2 - p1, p = pixel - p1.
    """
    x1, ax, bx, aa, ab, bb, inverse, row_a, row_b = edges
    for lane in range(LANES):
        px = (x + lane) - x1
        ap, bp = ax * px + row_a, bx * px + row_b
        u, v = (bb * ap - ab * bp) * inverse, (aa * bp - ab * ap) * inverse
        i = int(at) + lane
        if u >= 0.0 and v >= 0.0 and u + v < 1.0 and x + lane <= right and z > depth[i]:
            depth[i] = z
            ids[i] = name


def _cover(typingctx: Any, depth: Any, ids: Any, at: Any, x: Any, right: Any, edges: Any, z: Any, name: Any) -> Any:
    del typingctx, at, x, right, edges, z, name  # Numba passes their types; the signature below fixes them

    def emit(e: Emitter) -> None:
        b = e.builder
        _, _, at, x, right, _, z, name = e.values
        x1, ax, bx, aa, ab, bb, inverse, row_a, row_b = (e.splat(e.item(5, i)) for i in range(9))
        columns = b.fadd(e.splat(x), e.constant(F64, [float(i) for i in range(LANES)]))
        px = b.fsub(columns, x1)
        ap, bp = b.fadd(b.fmul(ax, px), row_a), b.fadd(b.fmul(bx, px), row_b)
        u = b.fmul(b.fsub(b.fmul(bb, ap), b.fmul(ab, bp)), inverse)
        v = b.fmul(b.fsub(b.fmul(aa, bp), b.fmul(ab, ap)), inverse)
        zero, one = e.constant(F64, 0.0), e.constant(F64, 1.0)
        old, owner, nearness = e.load(0, at, vector(F64)), e.load(1, at, vector(WORD)), e.splat(z)
        wins = e.both(
            b.fcmp_ordered(">=", u, zero), b.fcmp_ordered(">=", v, zero), b.fcmp_ordered("<", b.fadd(u, v), one),
            b.fcmp_ordered("<=", columns, e.splat(right)), b.fcmp_ordered(">", nearness, old),
        )  # fmt: skip
        e.store(b.select(wins, nearness, old), 0, at)
        e.store(b.select(wins, e.splat(name), owner), 1, at)

    return procedure(emit, depth, ids, types.uint64, types.float64, types.float64, EDGES, types.float64, types.int32)


def copy_four_reference(table: Any, start: int, out: Any, at: int) -> None:
    """Copy four numbers, a pixel and one more that the next pixel will overwrite; the plain form."""
    for i in range(4):
        out[int(at) + i] = table[int(start) + i]


def _copy_four(typingctx: Any, table: Any, start: Any, out: Any, at: Any) -> Any:
    del typingctx, start, at

    def emit(e: Emitter) -> None:
        e.store(e.load(0, e.values[1], vector(e.element(0), 4)), 2, e.values[3])

    return procedure(emit, table, types.uint64, out, types.uint64)


cover: Any = emitted(cover_reference, _cover)
copy_four: Any = emitted(copy_four_reference, _copy_four)
