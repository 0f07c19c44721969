"""Figures of merit between a driver's frames and the pictures made for them; each is defined where it is computed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models import rotation
from models.face import F32, F64, N_UNITS, U8, FaceParams
from models.morphable import EYES, INNER_LIPS, N_MESH, OUTER_CORNERS, OUTER_LIPS

LIPS = (*OUTER_LIPS, *INNER_LIPS)
EYE_POINTS = tuple(i for e in EYES for i in e.contour)
SMALL_PX = 256  # psnr, ssim and flicker are taken at this size
MOST_PSNR = 60.0  # identical pictures
_SSIM_SIDE = 7
Embed = Callable[[U8], F64 | None]


def small(rgb: U8) -> U8:
    """Bring a picture to 256x256 by area averaging, whatever its shape."""
    return np.asarray(cv2.resize(rgb, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def psnr(a: U8, b: U8) -> float:
    """Peak signal to noise ratio in dB over all channels, at most 60."""
    mse = float(np.mean((a.astype(np.float64) - b) ** 2))
    return MOST_PSNR if mse == 0 else min(MOST_PSNR, 10 * float(np.log10(255.0**2 / mse)))


def ssim(a: U8, b: U8) -> float:
    """Structural similarity, mean over channels and whole windows: 7x7 box, sample covariance (scikit-image's default).

    Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, equation 13.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    n = _SSIM_SIDE**2
    edge = _SSIM_SIDE // 2

    def box(v: Any) -> Any:
        return cv2.blur(v, (_SSIM_SIDE, _SSIM_SIDE))[edge:-edge, edge:-edge]

    mx, my = box(x), box(y)
    k = n / (n - 1)
    vx, vy, vxy = k * (box(x * x) - mx * mx), k * (box(y * y) - my * my), k * (box(x * y) - mx * my)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    s = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(s.mean())


def keypoint_distances(truth: F32, got: F32) -> tuple[float, float, float]:
    """Mean landmark distance (face mesh, lips, eyes) in percent of the truth's distance between outer eye corners."""
    iod = float(np.linalg.norm(truth[OUTER_CORNERS[0], :2] - truth[OUTER_CORNERS[1], :2]))
    d = np.linalg.norm(truth[:N_MESH, :2] - got[:N_MESH, :2], axis=1) / iod * 100
    return float(d.mean()), float(d[list(LIPS)].mean()), float(d[list(EYE_POINTS)].mean())


def region_l1(truth: U8, got: U8, points: F32, region: Sequence[int]) -> float:
    """Mean absolute difference in grey levels within the convex hull of some of the truth's landmarks; NaN if empty."""
    mask = np.zeros(truth.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[list(region), :2].astype(np.int32)), 255)
    inside = mask > 0
    if not inside.any():
        return float("nan")
    return float(np.abs(truth[inside].astype(np.int32) - got[inside]).mean())


def expression_distance(a: FaceParams, a0: FaceParams, b: FaceParams, b0: FaceParams) -> float:
    """Mean absolute difference of the 52 units, each measured from its own first frame."""
    d = (a.expression - a0.expression) - (b.expression - b0.expression)
    return float(np.abs(d[:N_UNITS]).mean())


def turn_between(a: FaceParams, a0: FaceParams, b: FaceParams, b0: FaceParams) -> float:
    """Angle in degrees between two turns of the head, each measured from its own first frame."""
    da = rotation.multiply(a.rotation, rotation.inverse(a0.rotation))
    db = rotation.multiply(b.rotation, rotation.inverse(b0.rotation))
    return float(np.degrees(np.linalg.norm(rotation.log(rotation.multiply(da, rotation.inverse(db))))))


def shimmer(frames: Sequence[U8]) -> float:
    """Mean absolute second difference in time of pictures of one size, grey levels; NaN for fewer than three."""
    if len(frames) < 3:
        return float("nan")
    total = 0.0
    for a, b, c in zip(frames, frames[1:], frames[2:], strict=False):
        total += float(np.abs(a.astype(np.int32) - 2 * b.astype(np.int32) + c).mean())
    return total / (len(frames) - 2)


def flicker(truth: Sequence[U8], got: Sequence[U8]) -> float:
    """Shimmer of the pictures over that of the driver's: 0 never moves, 1 is as restless as the driver's footage."""
    base = shimmer(truth)
    return shimmer(got) / base if base > 1e-9 else float("nan")


def region_flicker(truth: Sequence[U8], got: Sequence[U8], points: Sequence[F32 | None],
                   region: Sequence[int]) -> float:  # fmt: skip
    """Second difference in time within the hull of some of the driver's landmarks, over the driver's own there.

    Pictures (H, W, 3) and landmarks of every frame; frames without a face are left out. NaN when the driver is still.
    """
    base = made = 0.0
    for i in range(1, len(got) - 1):
        marks = points[i]
        if marks is None:
            continue
        hull = cv2.convexHull(marks[list(region), :2].astype(np.int32))
        x, y, w, h = cv2.boundingRect(hull)
        y0, x0 = max(y, 0), max(x, 0)
        at = np.s_[y0 : max(y + h, y0), x0 : max(x + w, x0)]
        mask = np.zeros(truth[i].shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, hull, 1)
        inside = mask[at] > 0
        for video, first in ((truth, True), (got, False)):
            a, b, c = (video[k][at].astype(np.int32) for k in (i - 1, i, i + 1))
            total = float(np.abs(a - 2 * b + c)[inside].sum())
            base, made = (base + total, made) if first else (base, made + total)
    return made / base if base > 0 else float("nan")


def likeness(embed: Embed, source: U8, frames: Sequence[U8], n: int = 8) -> float | None:
    """CSIM: mean cosine between the source's identity embedding and that of `n` frames; None when no face was found."""
    a = embed(source)
    if a is None or not frames:
        return None
    found = [embed(frames[i]) for i in np.linspace(0, len(frames) - 1, n).astype(int)]
    cos = [float(a @ e / np.linalg.norm(a) / np.linalg.norm(e)) for e in found if e is not None]
    return float(np.mean(cos)) if cos else None


def dlib_embedder() -> Embed | None:
    """Return dlib's face embedding (extra `eval`), or None when it is not installed."""
    data = importlib.util.find_spec("face_recognition_models")
    if data is None or importlib.util.find_spec("dlib") is None:
        return None
    import dlib

    folder = Path(next(iter(data.submodule_search_locations or ()))) / "models"
    detector = dlib.get_frontal_face_detector()
    corners = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    net = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def embed(rgb: U8) -> F64 | None:
        k = 400 / max(rgb.shape[:2])
        rgb = np.ascontiguousarray(cv2.resize(rgb, None, fx=k, fy=k, interpolation=cv2.INTER_AREA))
        faces = detector(rgb, 0)
        return np.array(net.compute_face_descriptor(rgb, corners(rgb, faces[0]))) if faces else None

    return embed
