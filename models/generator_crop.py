"""Where the generator looks: crops that stand still on the skull, and the geometry drawn into them.

A crop is a similarity: roll and size come from the outer eye corners (in three dimensions, so that a turned head keeps
its size), the place from points that the jaw and the lids do not move. Teeth therefore stay where they are in the crop
while the mouth opens. The subject's right eye is mirrored, so that one network serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kernels import paste
from kernels.opening import HALF
from models.face import F32, U8
from models.morphable import EYES, INNER_LIPS, OUTER_CORNERS, OUTER_LIPS, Eye

_SUBNASALE = 2
_FOREHEAD = 10
_SUBPIXEL = 4  # bits of the polygon coordinates
_RIM = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # 2 px each way: the wet line of the lips
_MINIFIED = 2.0  # picture px a crop px, from where bilinear sampling leaves pixels out


@dataclass(frozen=True)
class CropSpec:
    """Size and place of one kind of crop."""

    name: str
    pixels: int  # side of the crop, px
    side: float  # side of the crop in the picture, inter-ocular distances
    drop: float  # from the anchor to the crop's centre, along the face's own down direction, inter-ocular distances


MOUTH = CropSpec("mouth", 112, 1.10, 0.34)
EYE = CropSpec("eye", 64, 0.62, 0.0)


def face_axes(points: F32) -> tuple[F32, float]:
    """Unit vector (2,) to the image right along the eyes, and the inter-ocular distance in px.

    points (468+, 3) px, z in px of either sign; the distance is measured in three dimensions.
    """
    a, b = points[OUTER_CORNERS[0]], points[OUTER_CORNERS[1]]
    flat = b[:2] - a[:2]
    right = flat / max(float(np.linalg.norm(flat)), 1e-6)
    return right.astype(np.float32), max(float(np.linalg.norm(b - a)), 1e-3)


def crop_matrix(points: F32, spec: CropSpec, eye: Eye | None = None) -> F32:
    """Map from crop px to picture px, (2, 3); both count from pixel centres.

    points (468+, 3) px. `eye` names the eye for an eye crop; the subject's right eye comes out mirrored.
    """
    right, iod = face_axes(points)
    down = np.array([-right[1], right[0]], np.float32)
    anchor = points[_SUBNASALE, :2] if eye is None else points[list(eye.corners), :2].mean(0)
    centre = anchor + spec.drop * iod * down
    k = np.float32(spec.side * iod / spec.pixels)
    x_axis = -right if eye is EYES[1] else right
    m = np.empty((2, 3), np.float32)
    m[:, 0], m[:, 1] = x_axis * k, down * k
    m[:, 2] = centre - (m[:, 0] + m[:, 1]) * np.float32((spec.pixels - 1) / 2)
    return m


def to_crop(points: F32, matrix: F32) -> F32:
    """Picture px (N, 2+) to crop px (N, 2) under a matrix of `crop_matrix`."""
    a, b, c, d = (float(v) for v in matrix[:, :2].ravel())
    inverse = np.array([[d, -c], [-b, a]]) / (a * d - b * c)  # transposed
    return np.asarray((points[:, :2] - matrix[:, 2]) @ inverse, np.float32)


def cut_into(frame: U8, matrix: F32, out: U8) -> None:
    """Sample a crop straight into the first three channels of a network's input, out (S, S, 3 or more)."""
    if float(np.hypot(matrix[0, 0], matrix[1, 0])) > _MINIFIED:
        out[:, :, :3] = cut(frame, matrix, out.shape[0])
    else:
        paste.cut(frame, matrix.astype(np.float64), out)


def cut(frame: U8, matrix: F32, pixels: int, out: U8 | None = None) -> U8:
    """Sample a crop (pixels, pixels, 3) out of a picture (H, W, 3); edge pixels are repeated beyond its borders."""
    k = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    src, m = frame, matrix
    if k > _MINIFIED:  # strong minification: average first, bilinear sampling reads four pixels only
        corners = to_picture(pixels, matrix)
        h, w = frame.shape[:2]
        x0, y0 = (max(0, int(v)) for v in corners.min(0) - 2)
        x1, y1 = min(w, int(corners[:, 0].max()) + 3), min(h, int(corners[:, 1].max()) + 3)
        f = int(k)
        if x1 - x0 >= 2 * f and y1 - y0 >= 2 * f:
            x1, y1 = x0 + (x1 - x0) // f * f, y0 + (y1 - y0) // f * f
            src = cv2.resize(frame[y0:y1, x0:x1], ((x1 - x0) // f, (y1 - y0) // f), interpolation=cv2.INTER_AREA)
            m = matrix.copy()
            m[:, 2] -= (x0, y0)
            m = np.asarray(m / f, np.float32)
            m[:, 2] += (1 / f - 1) / 2
    return np.asarray(cv2.warpAffine(src, m, (pixels, pixels), dst=out, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                     borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip


def to_picture(pixels: int, matrix: F32) -> F32:
    """Corners of a crop in the picture, (4, 2) px."""
    n = pixels - 0.5
    c = np.array([(-0.5, -0.5, 1), (n, -0.5, 1), (n, n, 1), (-0.5, n, 1)], np.float32)
    return np.asarray(c @ matrix.T, np.float32)


def mouth_masks(points: F32, matrix: F32, out: U8 | None = None) -> U8:
    """Draw the opening between the lips and the whole mouth, (112, 112, 2) 0..255."""
    masks = np.zeros((MOUTH.pixels, MOUTH.pixels, 2), np.uint8) if out is None else out
    for i, loop in enumerate((INNER_LIPS, OUTER_LIPS)):
        masks[:, :, i] = _fill(to_crop(points[list(loop)], matrix), MOUTH.pixels)
    return masks


def with_rim(masks: U8) -> U8:
    """Copy of `mouth_masks` (112, 112, 2) whose opening reaches 2 px into the lips, not past them."""
    out = np.empty(masks.shape, np.uint8)
    whole = np.maximum(masks[:, :, 0], masks[:, :, 1])
    out[:, :, 1] = whole
    np.minimum(cv2.dilate(np.ascontiguousarray(masks[:, :, 0]), _RIM), whole, out=out[:, :, 0])
    return out


def opening_px(masks: U8) -> int:
    """Pixels of the opening in masks (S, S, 1 or more)."""
    return int(np.count_nonzero(masks[:, :, 0] >= HALF))


def skin_around(crop: U8, points: F32, matrix: F32) -> F32:
    """Mean colour (3,) of a mouth crop (112, 112, 3) around the mouth's box, as far again as an eighth of the crop."""
    whole = mouth_masks(points, matrix)[:, :, 1] > 0
    if not whole.any():
        return np.asarray(crop.reshape(-1, 3).mean(0), np.float32)
    y, x = np.nonzero(whole)
    margin = MOUTH.pixels // 8
    box = np.s_[max(0, y.min() - margin) : y.max() + margin + 1, max(0, x.min() - margin) : x.max() + margin + 1]
    around = crop[box][~whole[box]]
    return np.asarray((around if len(around) else crop.reshape(-1, 3)).mean(0), np.float32)


def eye_masks(points: F32, matrix: F32, eye: Eye, out: U8 | None = None) -> U8:
    """Draw the opening between the lids, (64, 64, 1) 0..255."""
    masks = np.zeros((EYE.pixels, EYE.pixels, 1), np.uint8) if out is None else out
    masks[:, :, 0] = _fill(to_crop(points[list(eye.contour)], matrix), EYE.pixels)
    return masks


def turn(points: F32, *, nearer: float = 1.0, mirrored: bool = False) -> F32:
    """How far the head is turned and nodded, (2,) sines, from points (468+, 3); `nearer` -1 when z grows away."""
    _, iod = face_axes(points)
    yaw = nearer * (points[OUTER_CORNERS[1], 2] - points[OUTER_CORNERS[0], 2]) / iod
    nod = nearer * (points[_FOREHEAD, 2] - points[_SUBNASALE, 2]) / iod
    return np.array([-yaw if mirrored else yaw, nod], np.float32)


def _fill(polygon: F32, pixels: int) -> U8:
    plane = np.zeros((pixels, pixels), np.uint8)
    q = np.rint(polygon.clip(-pixels, 2 * pixels) * (1 << _SUBPIXEL)).astype(np.int32)
    cv2.fillPoly(plane, [q.reshape(-1, 1, 2)], 255, lineType=cv2.LINE_AA, shift=_SUBPIXEL)
    return plane
