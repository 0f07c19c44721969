"""Anti-aliasing of silhouettes after compositing, from the mesh's own edges (compiled by Numba).

Where the mesh ends or folds away, one pixel shows the near surface and its neighbour what lies behind. The edge itself
says how much of the pixel it crosses belongs to each, so the two colours are mixed by that share (geometric
post-process anti-aliasing: Persson, 2011). Everything else stays as it was sampled, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check, check_writable
from kernels.jit import exact

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

STEP_PX = 3.0
"""Depth, px, by which what is behind must lie farther away than the edge: less is one surface, not a silhouette."""

_MOST = 65536  # mixed pixels of one picture; a silhouette has hundreds


@dataclass(frozen=True, eq=False)
class EdgeTable:
    """The edges of a triangle list with the triangles that meet there; built once for a mesh."""

    vertices: I32  # (E, 2)
    triangles: I32  # (E, 2) index of the triangles on either side, the second -1 at a border
    winding: npt.NDArray[np.int8]  # (T,) sign of each triangle's area in the texture


def edge_table(triangles: I32, texture_xy: F32) -> EdgeTable:
    """Return the edges of triangles (T, 3) int32; texture_xy (N, 2) float32 px says which side of each is the outside.

    Edges that more than two triangles share are left out. Raises TypeError or ValueError, naming the array.
    """
    check("triangles", triangles, (np.int32,), (None, 3))
    check("texture_xy", texture_xy, (np.float32,), (None, 2))
    pairs = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(triangles), dtype=np.int32), 3)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, owner = pairs[order], owner[order]
    first = np.flatnonzero(np.r_[True, np.any(pairs[1:] != pairs[:-1], axis=1)]) if len(pairs) else np.empty(0, int)
    count = np.diff(np.r_[first, len(pairs)])
    keep = count <= 2
    first, count = first[keep], count[keep]
    second = np.where(count == 2, owner[np.minimum(first + 1, len(owner) - 1)], -1) if len(first) else first
    a, b, c = (texture_xy[triangles[:, i]].astype(np.float64) for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    sides = np.column_stack([owner[first], second]).astype(np.int32).reshape(-1, 2)
    return EdgeTable(np.ascontiguousarray(pairs[first], np.int32).reshape(-1, 2), sides, np.sign(area).astype(np.int8))


def smooth_edges(table: EdgeTable, vertices: F32, triangles: I32, depth: F32, picture: U8) -> U8:
    """Mix the pixels that a silhouette crosses, in place, and return the picture.

    vertices (N, 3) float32 px, larger z nearer, and triangles (T, 3) int32 as they were drawn; depth (H, W) float32,
    the depth of that drawing; picture (H, W, 3) uint8. Raises TypeError or ValueError, naming the array.
    """
    check("vertices", vertices, (np.float32,), (None, 3))
    check("triangles", triangles, (np.int32,), (len(table.winding), 3))
    check("depth", depth, (np.float32,), (None, None))
    height, width = depth.shape
    check("picture", picture, (np.uint8,), (height, width, 3))
    check_writable("picture", picture)
    at = np.empty((_MOST, 2), np.int64)
    share = np.empty(_MOST, np.float32)
    n = _crossed(table.vertices, table.triangles, table.winding, vertices, triangles, depth, at, share)
    if n:
        _mix(at[:n], share[:n], picture.reshape(-1, 3))
    return picture


@exact
def _facing(vertices: Any, triangles: Any, winding: Any, t: int) -> float:
    """Positive when the triangle shows its outside; 0 for none or without area."""
    if t < 0:
        return 0.0
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    ax, ay = np.float64(vertices[a, 0]), np.float64(vertices[a, 1])
    bx, by = np.float64(vertices[b, 0]), np.float64(vertices[b, 1])
    cx, cy = np.float64(vertices[c, 0]), np.float64(vertices[c, 1])
    area: float = ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) * winding[t]
    return area


@exact
def _crossed(
    edges: Any, sides: Any, winding: Any, vertices: Any, triangles: Any, depth: Any, at: Any, share: Any
) -> int:
    """List the pixels (at[:, 0]) that mix in a neighbour (at[:, 1]), flat indices, with its share; return how many."""
    height, width = depth.shape
    n = 0
    for e in range(edges.shape[0]):
        first = _facing(vertices, triangles, winding, sides[e, 0])
        second = _facing(vertices, triangles, winding, sides[e, 1])
        if sides[e, 1] >= 0 and not (first * second < 0.0):
            continue
        t = sides[e, 0] if first > 0.0 or sides[e, 1] < 0 else sides[e, 1]
        i, j = edges[e, 0], edges[e, 1]
        k = triangles[t, 0] + triangles[t, 1] + triangles[t, 2] - i - j  # the corner opposite the edge
        x0, y0, z0 = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
        x1, y1, z1 = np.float64(vertices[j, 0]), np.float64(vertices[j, 1]), np.float64(vertices[j, 2])
        if not (abs(x0) + abs(y0) + abs(x1) + abs(y1) < 1e6):
            continue
        steep = abs(y1 - y0) >= abs(x1 - x0)
        # walk along the longer axis p; q is where the edge crosses that line of pixel centres
        p0, q0, p1, q1 = (y0, x0, y1, x1) if steep else (x0, y0, x1, y1)
        if p0 == p1:
            continue
        slope = (q1 - q0) / (p1 - p0)
        z_slope = (z1 - z0) / (p1 - p0)
        kp, kq = (np.float64(vertices[k, 1]), np.float64(vertices[k, 0])) if steep else (
            np.float64(vertices[k, 0]), np.float64(vertices[k, 1]))  # fmt: skip
        inward = 1 if kq > q0 + slope * (kp - p0) else -1  # side of the edge on which the surface lies
        long, wide = (height, width) if steep else (width, height)
        lo, hi = min(p0, p1), max(p0, p1)
        start, stop = max(0, int(np.ceil(lo))), min(long, int(np.ceil(hi)))
        for p in range(start, stop):
            q = q0 + slope * (p - p0)
            c = int(np.floor(q + 0.5))
            over = q - c
            z = z0 + z_slope * (p - p0)
            d = c + (1 if over > 0.0 else -1)
            if over == 0.0 and 0 <= c < wide:  # through the centre: the fill rule has said whose the pixel is
                z_c = depth[p, c] if steep else depth[c, p]
                d = c - inward if abs(z_c - z) < STEP_PX else c + inward
            if min(c, d) < 0 or max(c, d) >= wide:
                continue
            inner, outer = (c, d) if (c - d) * inward > 0 else (d, c)
            z_in = depth[p, inner] if steep else depth[inner, p]
            z_out = depth[p, outer] if steep else depth[outer, p]
            if not (abs(z_in - z) < STEP_PX and z_out < z - STEP_PX):
                continue
            if n == share.shape[0]:
                return n
            here, there = (p * width + c, p * width + d) if steep else (c * width + p, d * width + p)
            at[n, 0] = here
            at[n, 1] = there
            share[n] = 0.5 - abs(over)
            n += 1
    return n


@exact
def _mix(at: Any, share: Any, pixels: Any) -> None:
    """Mix every listed pixel with its neighbour as both were before: a picture must not depend on the edges' order."""
    n = at.shape[0]
    old = np.empty((n, 2, 3), np.float32)
    for i in range(n):
        for c in range(3):
            old[i, 0, c] = pixels[at[i, 0], c]
            old[i, 1, c] = pixels[at[i, 1], c]
    for i in range(n):
        for c in range(3):
            mixed = np.float32(pixels[at[i, 0], c]) + share[i] * (old[i, 1, c] - old[i, 0, c])
            pixels[at[i, 0], c] = np.uint8(min(max(mixed + np.float32(0.5), np.float32(0.0)), np.float32(255.0)))
