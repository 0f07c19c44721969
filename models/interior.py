"""What lies behind the openings of the face: eyeballs that turn and a mouth cavity with the photo's own teeth.

Each is a small patch of texture and a grid of vertices a little deeper than the skin, so the z-buffer shows it exactly
where lids and lips leave an opening, and the lids slide over an eyeball that stays with the skull.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.eyeball import doubt, made_eyeball
from models.face import F32, F64, I32, U8, FaceParams
from models.fitting import EYEBALL_MM, Camera
from models.morphable import INNER_LIPS, LOWER_INNER_LIP, UPPER_INNER_LIP, Eye

BEHIND_MM = 7.0
_EYE_GRID = (13, 9)
_MOUTH_COLUMNS = 9


@dataclass(frozen=True, eq=False)
class Patch:
    """Texture of one opening and the grid that carries it."""

    texture: F32  # (h, w, 3) 0..255
    texture_xy: F32  # (N, 2) px in the texture
    head: F32  # (N, 3) mm, head frame
    jaw: F32  # (N,) 0..1, how far a vertex follows the jaw
    bump: F32  # (N,) 0..1, how far a vertex follows the gaze
    triangles: I32  # (T, 3)
    columns: int  # vertices in a row of the grid
    opened: F32 | None = None  # texture when the opening is wider than in the photo; None where it is the same


def eye_patch(image: U8, points: F32, head: F32, params: FaceParams, camera: Camera, eye: Eye) -> Patch:
    """Cut out an eyeball and complete what the lids hide of it.

    image (H, W, 3); points (478, 3) px; head (478, 3) mm at the source's expression.
    """
    contour = points[list(eye.contour), :2]
    lo, hi = contour.min(0), contour.max(0)
    width = float(hi[0] - lo[0])
    c = (lo + hi) / 2
    half = np.array([0.62 * width, 0.42 * width])
    x0, y0 = np.floor(c - half).astype(int)
    x1, y1 = np.ceil(c + half).astype(int) + 1
    crop = _crop(image, x0, y0, x1, y1)
    ring = points[eye.iris + 1 : eye.iris + 5, :2]
    iris = points[eye.iris, :2] - (x0, y0)
    radius = float(np.median(np.linalg.norm(ring - points[eye.iris, :2], axis=1)))
    texture = _complete_eye(crop, contour - (x0, y0), iris, radius)
    cols, rows = _EYE_GRID
    gx, gy = np.meshgrid(np.linspace(0, x1 - x0 - 1, cols), np.linspace(0, y1 - y0 - 1, rows))
    uv = np.column_stack([gx.ravel(), gy.ravel()]).astype(np.float32)
    z = float(head[list(eye.contour), 2].mean()) + BEHIND_MM
    verts = _lift(uv + np.array([x0, y0], np.float32), z, params, camera)
    centre = _lift((iris + np.array([x0, y0]))[None].astype(np.float32), z, params, camera)[0]
    r = np.linalg.norm((verts - centre)[:, :2], axis=1)
    bump = 1.0 - np.clip((r - 6.5) / 9.0, 0, 1)
    opened = None
    unknown = doubt(points, eye)
    if unknown > 0.0:
        made = made_eyeball(image, (x0, y0, x1, y1), points, params, camera, eye)
        opened = np.asarray(texture + np.float32(unknown) * (made - texture), np.float32)
    return Patch(texture, uv, verts, np.zeros(len(uv), np.float32), (bump * bump * (3 - 2 * bump)).astype(np.float32),
                 _grid_triangles(cols, rows), cols, opened)  # fmt: skip


def parting(points: F32, pairs: npt.NDArray[np.int64]) -> float:
    """Mean gap of an opening over its width; points (N, 2 or more) px, `pairs` its upper, lower points, corners."""
    p = points[pairs, :2].astype(np.float64)
    n = (len(p) - 2) // 2
    gap = p[:n] - p[n:-2]
    return float(np.hypot(gap[:, 0], gap[:, 1]).mean()) / max(math.dist(p[-2], p[-1]), 1e-6)


def gaze_shift(source: FaceParams, target: FaceParams, side: int) -> F32:
    """Displacement of the iris in the head frame, (2,) mm, bounded so that the patch cannot fold."""
    d = EYEBALL_MM * (np.sin(target.gaze[side]) - np.sin(source.gaze[side]))
    n = float(np.linalg.norm(d))
    limit = 5.8
    return np.asarray(d * (limit * np.tanh(n / limit) / n) if n > 1e-6 else d, np.float32)


def mouth_patch(image: U8, points: F32, head: F32, params: FaceParams, camera: Camera) -> Patch:
    """Build the inside of the mouth: the photo's own teeth where it shows them, a dark cavity elsewhere.

    The texture has three bands: upper teeth (skull), cavity (opens with the jaw), lower teeth (jaw).
    """
    inner = points[list(INNER_LIPS), :2]
    left, right = points[78, :2], points[308, :2]
    width = float(np.linalg.norm(right - left))
    ax = (right - left) / max(width, 1e-6)
    ay = np.array([-ax[1], ax[0]])
    upper = points[list(UPPER_INNER_LIP), :2]
    lower = points[list(LOWER_INNER_LIP), :2]
    gap = float(np.linalg.norm(upper[2:7] - lower[2:7], axis=1).mean())
    mid = (left + right) / 2
    top = float(((upper - mid) @ ay).min())
    bottom = float(((lower - mid) @ ay).max())
    n_w, n_h = 96, 40
    cavity = _cavity(image, points, n_w, 2 * n_h)
    span = 0.60 * width
    shows = gap > 0.05 * width
    # A smile shows the upper teeth alone, down to the lower lip; only an open mouth shows both rows.
    split = top + float(np.interp(gap / width, (0.12, 0.35), (0.9, 0.55))) * (bottom - top)
    over = 0.22 * width  # the bands go on behind the lips
    size = (n_w, n_h)
    upper_band = _band(image, mid, ax, ay, (-span, span), (top - over, split), inner, size, cavity[:n_h], 0, shows)
    lower_band = _band(image, mid, ax, ay, (-span, span), (split, bottom + over), inner, size, cavity[n_h:], 1, shows)
    # The cavity takes over from the teeth within its first rows, which have no height while the mouth is as it was.
    fade = np.clip(np.arange(2 * n_h) / (0.14 * n_h), 0, 1)[:, None, None]
    cavity = upper_band[-1] * (1 - fade) + cavity * fade
    cavity = lower_band[0] * (1 - fade[::-1]) + cavity * fade[::-1]
    opened = np.vstack([upper_band, cavity, lower_band]).astype(np.float32)
    # A mouth that has hardly opened further would show all of that in one row of pixels, a black line across the teeth.
    t = np.linspace(0.0, 1.0, 2 * n_h, dtype=np.float32)[:, None, None]
    texture = np.vstack([upper_band, upper_band[-1] * (1 - t) + lower_band[0] * t, lower_band]).astype(np.float32)
    # rows: top of upper, split (upper), split (lower), bottom of lower; each with a finer cavity between
    ys = [top - over, split, split, split, bottom + over]
    tv = [0.0, n_h - 1.0, 2.0 * n_h, 3.0 * n_h, 4.0 * n_h - 1.0]
    jaw = [0.0, 0.0, 0.5, 1.0, 1.0]
    xs = np.linspace(-span, span, _MOUTH_COLUMNS)
    z = float(head[list(INNER_LIPS), 2].mean()) + BEHIND_MM
    px, uv, jw = [], [], []
    for y, v, j in zip(ys, tv, jaw, strict=True):
        for i, x in enumerate(xs):
            px.append(mid + ax * x + ay * y)
            uv.append((i * (n_w - 1) / (_MOUTH_COLUMNS - 1), v))
            jw.append(j)
    verts = _lift(np.array(px, np.float32), z, params, camera)
    return Patch(texture, np.array(uv, np.float32), verts, np.array(jw, np.float32), np.zeros(len(jw), np.float32),
                 _grid_triangles(_MOUTH_COLUMNS, len(ys)), _MOUTH_COLUMNS, opened if shows else None)  # fmt: skip


def cover(moved: F32, columns: int, opening: F32, down: F64) -> None:
    """Draw the rim of a posed patch (N, 3) out to where its opening (K, 2) reaches, so that nothing shines through.

    Both px; down (2,) is the head's own, unit length. A rim that lies far enough out already stays.
    """
    side = np.array([down[1], -down[0]])
    grid = moved.reshape(-1, columns, 3)
    spare = 0.04 * float(np.ptp(opening @ side)) + 1.0
    for axis, first, last in ((down, grid[0], grid[-1]), (side, grid[:, 0], grid[:, -1])):
        reach = opening @ axis
        for rim, sign, edge in ((first, -1.0, spare - float(reach.min())), (last, 1.0, float(reach.max()) + spare)):
            short = np.maximum(edge - sign * (rim[:, :2] @ axis), 0.0)
            rim[:, :2] += sign * short[:, None] * axis


def _band(
    image: U8, mid: F32 | F64, ax: F32 | F64, ay: F32 | F64, xs: tuple[float, float], ys: tuple[float, float],
    inner: F32, size: tuple[int, int], cavity: F32, end: int, shows: bool,
) -> F32:  # fmt: skip
    """One band of the photo's own mouth, dark where the lips cover it; `end` 0 is the upper, 1 the lower band."""
    n_w, n_h = size
    edge = cavity[-1 if end == 0 else 0]
    if not shows:
        return np.broadcast_to(cavity[0 if end == 0 else -1][None], (n_h, n_w, 3)).astype(np.float32)
    gx, gy = np.meshgrid(np.linspace(*xs, n_w), np.linspace(*ys, n_h))
    pos = mid + gx[..., None] * ax + gy[..., None] * ay
    band = cv2.remap(image, pos[..., 0].astype(np.float32), pos[..., 1].astype(np.float32), cv2.INTER_LINEAR)
    ring = inner.reshape(-1, 1, 2).astype(np.float32)
    d = np.array([cv2.pointPolygonTest(ring, (float(x), float(y)), True) for x, y in pos.reshape(-1, 2)])
    known = (d.reshape(n_h, n_w) > -0.25).astype(np.uint8)
    filled = cv2.inpaint(band, (1 - known).astype(np.uint8), 2, cv2.INPAINT_TELEA).astype(np.float32)
    # away from what was seen, fall into the dark
    away = cv2.distanceTransform((1 - known).astype(np.uint8), cv2.DIST_L2, 3)
    k = np.clip(away / 8.0, 0, 1)[..., None]
    return np.asarray(filled * (1 - k) + edge[None] * k, np.float32)


def _cavity(image: U8, points: F32, w: int, h: int) -> F32:
    """A dark mouth coloured after the lips: almost black at the top, a hint of tongue below."""
    lips = points[[0, 37, 267, 17, 84, 314], :2]
    x = np.clip(np.rint(lips).astype(int), 0, [image.shape[1] - 1, image.shape[0] - 1])
    lip = np.median(image[x[:, 1], x[:, 0]].astype(np.float32), axis=0)
    dark = np.maximum(lip * np.array([0.22, 0.13, 0.13]), (14.0, 6.0, 6.0))
    tongue = lip * np.array([0.62, 0.40, 0.40])
    y = np.linspace(0, 1, h)[:, None, None]
    xx = np.linspace(-1, 1, w)[None, :, None]
    k = np.clip((y - 0.45) / 0.55, 0, 1) ** 1.5 * np.clip(1 - np.abs(xx) ** 2.2, 0, 1)
    side = np.clip(1.15 - 0.5 * xx**2, 0, 1)
    return np.asarray((dark * (1 - k) + tongue * k) * side, np.float32)


def _complete_eye(crop: U8, contour: F32, iris: F32, radius: float) -> F32:
    """Fill what the lids hide: the white goes on smoothly, the iris by its own colours at the same radius."""
    h, w = crop.shape[:2]
    inside = np.zeros((h, w), np.uint8)
    cv2.fillPoly(inside, [np.rint(contour * 16).astype(np.int32)], 255, shift=4)
    n = max(1, round(0.035 * w))
    known = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * n + 1, 2 * n + 1))) > 0
    yy, xx = np.mgrid[0:h, 0:w]
    r = np.hypot(xx - iris[0], yy - iris[1]) / max(radius, 1e-3)
    white = known & (r > 1.12)
    rgb = crop.astype(np.float32)
    seen = rgb[inside > 0] if (inside > 0).any() else rgb.reshape(-1, 3)
    base = np.percentile(seen, 80, axis=0)
    if white.sum() > 12:
        w8 = white.astype(np.float32)
        sigma = max(1.0, 0.10 * w)
        num = cv2.GaussianBlur(rgb * w8[..., None], (0, 0), sigma) + base * 1e-3
        den = cv2.GaussianBlur(w8, (0, 0), sigma)[..., None] + 1e-3
        fill = num / den
    else:
        fill = np.broadcast_to(base, rgb.shape).astype(np.float32)
    fill = fill * np.clip(1.0 - 0.35 * np.clip((np.abs(yy - iris[1]) / max(radius, 1e-3) - 1.0), 0, 1), 0, 1)[..., None]
    bins = np.clip((r * 8).astype(int), 0, 9)
    profile = np.zeros((10, 3), np.float32)
    for b in range(10):
        m = known & (bins == b) & (r < 1.15)
        profile[b] = np.median(rgb[m], axis=0) if m.sum() > 2 else (profile[b - 1] if b else (40.0, 30.0, 25.0))
    disc = profile[bins]
    k = np.clip((1.12 - r) / 0.14, 0, 1)[..., None]
    fill = fill * (1 - k) + disc * k
    soft = cv2.GaussianBlur(known.astype(np.float32), (0, 0), max(0.6, 0.012 * w))[..., None]
    soft = np.where(known[..., None], np.clip(soft * 2 - 1, 0, 1), 0)
    return np.asarray(rgb * soft + fill * (1 - soft), np.float32)


def _crop(image: U8, x0: int, y0: int, x1: int, y1: int) -> U8:
    h, w = image.shape[:2]
    xs = np.clip(np.arange(x0, x1), 0, w - 1)
    ys = np.clip(np.arange(y0, y1), 0, h - 1)
    return np.ascontiguousarray(image[ys][:, xs])


def _lift(px: F32, z: float, params: FaceParams, camera: Camera) -> F32:
    from models.shell import at_depth

    return np.asarray(at_depth(px, np.full(len(px), z), params, camera), np.float32)


def _grid_triangles(cols: int, rows: int) -> I32:
    out = []
    for j in range(rows - 1):
        for i in range(cols - 1):
            a = j * cols + i
            out += [(a, a + 1, a + cols), (a + 1, a + cols + 1, a + cols)]
    return np.array(out, np.int32)
