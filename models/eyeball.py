"""An eyeball for eyes that the photo shows nearly shut: what is seen between such lids is lashes and shadow.

Drawn out over an opening eye, that strip made a dark hole. So as such an eye opens wider than in its photo, an eyeball
takes its place whose white is lit like the skin around it and whose iris has the common size. At rest the photo stays.
"""

from __future__ import annotations

import cv2
import numpy as np

from models import lids
from models.face import F32, U8, FaceParams
from models.fitting import Camera
from models.morphable import Eye

NARROW = (0.13, 0.21)  # gap over eye width: up to the first nothing of the eyeball can be trusted, from the second all
GROWS = 0.07  # so much wider than in the photo, over the eye's width, the made eyeball has taken over
IRIS_MM = 5.9  # radius of an iris; it hardly differs between people
_BROWN = np.array([74.0, 50.0, 36.0], np.float32)  # most people's, where the photo shows too little


def doubt(points: F32, eye: Eye) -> float:
    """How little a photo's eye tells of its eyeball, 0..1; points (478, 2 or more) px."""
    t = float(np.clip((lids.eye_openness(points, eye) - NARROW[0]) / (NARROW[1] - NARROW[0]), 0.0, 1.0))
    return 1.0 - t * t * (3.0 - 2.0 * t)


def made_eyeball(image: U8, box: tuple[int, int, int, int], points: F32, params: FaceParams, camera: Camera,
                 eye: Eye) -> F32:  # fmt: skip
    """Draw the eyeball of an eye into a box (x0, y0, x1, y1) px of a picture (H, W, 3), (y1 - y0, x1 - x0, 3) 0..255.

    points (478, 2 or more) px; params and camera of the picture.
    """
    x0, y0, x1, y1 = box
    contour = points[list(eye.contour), :2]
    width = float(np.ptp(contour[:, 0]))
    skin = _skin(image, contour, width)
    light = float(skin @ (0.299, 0.587, 0.114))
    # the white is a little tinted by its light and stands in the lids' shade
    white = (0.55 * light + 62.0) * (1.0 + 0.22 * (skin / max(light, 1.0) - 1.0))
    radius = IRIS_MM * camera.focal_px / float(params.translation[2])
    centre = points[eye.iris, :2]
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    far = np.hypot(xx - centre[0], yy - centre[1])
    r = far / radius
    soft = 0.9 / max(radius, 1.0)
    iris = _iris(image, contour, centre, radius, light)
    shade = 1.0 - 0.3 * np.clip((far / (0.5 * width)) ** 2, 0, 1) - 0.22 * np.clip((centre[1] - yy) / radius, 0, 1.2)
    out = white[None, None] * shade[..., None]
    rings = iris * (1.12 - 0.30 * np.clip((r - 0.62) / 0.38, 0, 1) - 0.25 * np.clip((0.55 - r) / 0.2, 0, 1))[..., None]
    disc = np.clip((1.0 - r) / (2.0 * soft) + 0.5, 0, 1)[..., None]
    out = out + disc * (rings * np.minimum(1.0, 0.15 + shade[..., None]) - out)
    pupil = np.clip((0.36 - r) / (2.0 * soft) + 0.5, 0, 1)[..., None]
    out = out + pupil * (np.float32(0.18) * iris - out)
    glint = np.hypot(xx - centre[0] + 0.28 * radius, yy - centre[1] + 0.34 * radius) / radius
    out = out + 0.75 * np.clip((0.15 - glint) / (2.0 * soft) + 0.5, 0, 1)[..., None] * (white * 1.25 - out)
    return np.asarray(np.clip(out, 0, 255), np.float32)


def _skin(image: U8, contour: F32, width: float) -> F32:
    """Colour (3,) of the skin below an eye, of its brighter half."""
    h, w = image.shape[:2]
    gx, gy = np.meshgrid(np.linspace(0.2, 0.8, 9), np.linspace(0.25, 0.5, 5))
    x = np.clip(np.rint(contour[:, 0].min() + gx * width).astype(int), 0, w - 1)
    y = np.clip(np.rint(contour[:, 1].max() + gy * width).astype(int), 0, h - 1)
    return np.asarray(np.percentile(image[y, x].reshape(-1, 3).astype(np.float32), 65, axis=0), np.float32)


def _iris(image: U8, contour: F32, centre: F32, radius: float, light: float) -> F32:
    """Colour (3,) of the iris: what the slit shows of it, out of the lashes' shade, as far as that is anything."""
    h, w = image.shape[:2]
    hole = np.zeros((h, w), np.uint8)
    cv2.fillPoly(hole, [np.rint(contour * 16).astype(np.int32)], 1, shift=4)
    disc = np.zeros((h, w), np.uint8)
    cv2.circle(disc, (round(float(centre[0])), round(float(centre[1]))), max(1, round(0.85 * radius)), 1, -1)
    seen = image[(hole & disc) > 0].astype(np.float32)
    common = _BROWN * np.float32(np.clip(light / 150.0, 0.5, 1.2))
    if len(seen) < 6:
        return common
    own = np.percentile(seen, 70, axis=0).astype(np.float32)
    own *= np.float32(np.clip(common.mean() / max(float(own.mean()), 1.0), 0.7, 2.0))
    return np.asarray(0.5 * (own + common), np.float32)
