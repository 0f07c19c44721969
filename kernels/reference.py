"""The specification: every operation in plain NumPy float64, one triangle at a time, importing nothing of ours.

Pixel centres lie at integer coordinates, x to the right, y down, larger z nearer the viewer. Coverage of the
interpolating modes is decided in whole sub-pixels, so that every backend covers the same pixels, not almost the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SUBPIXEL = 4096
GUARD_PX = 131072.0
FAR = -999999.0


def vertex_colours(image: Array, vertices: Array) -> Array:
    """Return the colour of the pixel nearest each vertex, halves to the even pixel, clipped to the picture.

    image (H, W, C); vertices (N, 3) px; returns (N, C) of the image's dtype, 0 where a vertex is not finite.
    """
    height, width = image.shape[:2]
    x, y = (np.asarray(vertices[:, i], np.float64) for i in (0, 1))
    known = np.isfinite(x) & np.isfinite(y)
    column = np.rint(np.clip(np.where(known, x, 0.0), 0, width - 1)).astype(np.int64)
    row = np.rint(np.clip(np.where(known, y, 0.0), 0, height - 1)).astype(np.int64)
    colours = image[row, column]
    colours[~known] = 0
    return np.asarray(colours)


def flat(colours: Array, vertices: Array, triangles: Array, height: int, width: int) -> tuple[Array, Array]:
    """Draw each triangle in the mean of its vertex colours at the mean of its depths: the published algorithm.

    colours (N, C) float; vertices (N, 3) px; triangles (T, 3); returns colour (H, W, C) of the colours' dtype,
    background 0, and triangle (H, W) int32, -1 for background. Triangles that are not finite are left out.
    Source: triD_downSmp_zyt.py of github.com/pingponglabs/FaceAnime.
    """
    vertices = np.asarray(vertices, np.float64)
    triangle = np.full((height, width), -1, np.int32)
    nearest = np.full((height, width), FAR)
    image = np.zeros((height, width, colours.shape[1]), colours.dtype)
    for t, (a, b, c) in enumerate(triangles):
        p1, p2, p3 = vertices[a], vertices[b], vertices[c]
        if not (np.isfinite(p1).all() and np.isfinite(p2).all() and np.isfinite(p3).all()):
            continue
        corners = np.stack([p1, p2, p3])
        left, top = np.maximum(np.ceil(corners[:, :2].min(0)), 0)
        right, bottom = np.minimum(np.floor(corners[:, :2].max(0)), (width - 1, height - 1))
        if right < left or bottom < top:
            continue
        z = (p1[2] + p2[2] + p3[2]) / 3.0
        rows = slice(int(top), int(bottom) + 1)
        columns = slice(int(left), int(right) + 1)
        y, x = np.mgrid[rows, columns]
        inside = _inside(x, y, p1, p2, p3)
        wins = inside & (z > nearest[rows, columns])
        nearest[rows, columns][wins] = z
        triangle[rows, columns][wins] = t
        image[rows, columns][wins] = (colours[a] + colours[b] + colours[c]) / colours.dtype.type(3)
    return image, triangle


def _inside(x: Array, y: Array, p1: Array, p2: Array, p3: Array) -> Array:
    # u, v >= 0 and u + v < 1 with p = p1 + u * (p3 - p1) + v * (p2 - p1), in the published order of operations;
    # a triangle without area gets u = v = 0 and so fills its bounding box
    with np.errstate(over="ignore", invalid="ignore"):
        ax, ay = p3[0] - p1[0], p3[1] - p1[1]
        bx, by = p2[0] - p1[0], p2[1] - p1[1]
        px, py = x - p1[0], y - p1[1]
        aa, ab, bb = ax * ax + ay * ay, ax * bx + ay * by, bx * bx + by * by
        ap, bp = ax * px + ay * py, bx * px + by * py
        area = aa * bb - ab * ab
        inverse = 0.0 if area == 0 else 1.0 / area
        u = (bb * ap - ab * bp) * inverse
        v = (aa * bp - ab * ap) * inverse
        return np.asarray((u >= 0) & (v >= 0) & (u + v < 1))


def textured(
    vertices: Array, attributes: Array, triangles: Array, height: int, width: int, facing: int = 0
) -> tuple[Array, Array, Array]:
    """Interpolate vertex attributes over the visible triangles: backward map, colours, anything linear.

    vertices (N, 3) float32 px; attributes (N, A) per vertex; triangles (T, 3); facing +1 draws clockwise triangles
    only, -1 the others, 0 both. Returns attributes (H, W, A) float64, 0 where not covered, triangle (H, W) int32, -1
    where not covered, and depth (H, W) float64, -inf there. Affine; top-left rule on vertices snapped to 1/4096 px;
    strictly larger z wins. Triangles without area, not finite, or beyond 131,072 px are left out.
    """
    out = np.zeros((height, width, attributes.shape[1]))
    triangle = np.full((height, width), -1, np.int32)
    depth = np.full((height, width), -np.inf)
    vertices = np.asarray(vertices, np.float64)
    for t, corners in enumerate(triangles):
        position = vertices[corners]
        if not (np.isfinite(position).all() and (np.abs(position[:, :2]) <= GUARD_PX).all()):
            continue
        snapped = np.floor(position[:, :2] * SUBPIXEL + 0.5).astype(np.int64)
        (ax, ay), (bx, by), (cx, cy) = (tuple(map(int, p)) for p in snapped)
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or area * facing < 0:
            continue
        order = [0, 1, 2] if area > 0 else [0, 2, 1]  # clockwise on the screen from here on
        low = np.maximum(-(-snapped.min(0) // SUBPIXEL), 0)
        high = np.minimum(snapped.max(0) // SUBPIXEL, (width - 1, height - 1))
        if (high < low).any():
            continue
        rows, columns = slice(int(low[1]), int(high[1]) + 1), slice(int(low[0]), int(high[0]) + 1)
        y, x = np.mgrid[rows, columns] * SUBPIXEL
        a, b, c = (snapped[i] for i in order)
        edges = [_edge(x, y, b, c), _edge(x, y, c, a), _edge(x, y, a, b)]
        inside = edges[0][1] & edges[1][1] & edges[2][1]
        weights = np.stack([e[0] for e in edges], -1) / float(abs(area))
        z = weights @ position[order, 2]
        wins = inside & (z > depth[rows, columns])
        depth[rows, columns][wins] = z[wins]
        triangle[rows, columns][wins] = t
        out[rows, columns][wins] = (weights @ np.asarray(attributes[corners[order]], np.float64))[wins]
    return out, triangle, depth


def _edge(x: Array, y: Array, p: Array, q: Array) -> tuple[Array, Array]:
    # the edge function and whether it accepts the pixel: inside, or on a top or left edge of a clockwise triangle
    dx, dy = int(q[0] - p[0]), int(q[1] - p[1])
    value = dx * (y - int(p[1])) - dy * (x - int(p[0]))
    mine = dy < 0 or (dy == 0 and dx > 0)
    return value, (value >= 0) if mine else (value > 0)


def sample(image: Array, x: Array, y: Array) -> Array:
    """Return the bilinear sample of (Hs, Ws, C) at float64 positions of any shape, edge pixels repeated."""
    height, width = image.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    i, j = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    fx, fy = (x - i)[..., None], (y - j)[..., None]
    i1, j1 = np.minimum(i + 1, width - 1), np.minimum(j + 1, height - 1)
    image = np.asarray(image, np.float64)
    upper = image[j, i] * (1 - fx) + image[j, i1] * fx
    lower = image[j1, i] * (1 - fx) + image[j1, i1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def composite(person: Array, plate: Array, xy: Array, triangle: Array) -> Array:
    """Return round(clip(rgb + (1 - alpha) * plate)) where the map covers, the plate elsewhere (H, W, 3) uint8."""
    taken = sample(person, xy[..., 0], xy[..., 1])
    mixed = np.floor(np.clip(taken[..., :3] + (1 - taken[..., 3:]) * plate, 0, 255) + 0.5).astype(np.uint8)
    return np.where((triangle >= 0)[..., None], mixed, plate)


def visible(x: Array, y: Array, z: Array, slope: Array, depth: Array) -> Array:
    """Return whether a source point lies on the surface that the source depth buffer saw.

    x, y, z any shape, px; slope = |dz/dx| + |dz/dy| of its triangle; depth (Hs, Ws) of the source pose. A shadow-map
    test at the nearest pixel with a bias of one pixel of slope plus 1/64 px.
    """
    height, width = depth.shape
    column = np.clip(np.floor(x + 0.5), 0, width - 1).astype(int)
    row = np.clip(np.floor(y + 0.5), 0, height - 1).astype(int)
    return np.asarray(z + slope + 1.0 / 64.0 >= depth[row, column])
