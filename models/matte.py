"""The person's matte: opacity of head, hair and body at the picture's own resolution.

Two small networks guess, the colours decide. MediaPipe's selfie network knows what a body is but cuts hair off; U-2-Net
small sees the outline of hair but takes flags for people and shirts for background. Where both agree nothing is left to
decide; the rest and a band along the outline is solved by closed-form matting (`models.closed_form`), softly held to
the guess.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from models.assets import Progress, asset_path
from models.closed_form import closed_form_alpha
from models.face import F32, U8

SEGMENTER = "selfie_segmentation.tflite"
SALIENCY = "u2netp.onnx"
_SEGMENTER_PX = 256
_SALIENCY_PX = 320
_HEAD_CROP = 1.25  # half side of the head crop, in face sizes
_GUIDE_PX = 1024  # longest side at which the matte is solved; larger pictures get it enlarged along their own edges

Guess = Callable[[U8], F32]
"""(H, W, 3) -> (H, W) 0..1"""


class MatteNetworks:
    """The two segmentation networks, loaded once."""

    def __init__(self, segmenter_file: Path, saliency_file: Path, threads: int = 2) -> None:
        import onnxruntime
        from ai_edge_litert.interpreter import Interpreter

        self._segmenter = Interpreter(model_path=str(segmenter_file), num_threads=threads)
        self._segmenter.allocate_tensors()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._saliency = onnxruntime.InferenceSession(str(saliency_file), options, providers=["CPUExecutionProvider"])

    def person(self, rgb: U8) -> F32:
        """Guess the person's opacity (H, W) by the selfie network."""
        x = _shrunk(rgb, _SEGMENTER_PX).astype(np.float32) / np.float32(255)
        self._segmenter.set_tensor(self._segmenter.get_input_details()[0]["index"], x[None])
        self._segmenter.invoke()
        out = self._segmenter.get_tensor(self._segmenter.get_output_details()[0]["index"])[0, :, :, 0]
        return _enlarged(out, rgb)

    def salient(self, rgb: U8) -> F32:
        """Guess the foreground object's opacity (H, W) by U-2-Net, with the normalisation it was trained with."""
        x: F32 = _shrunk(rgb, _SALIENCY_PX).astype(np.float32)
        x /= max(float(x.max()), 1.0)
        x = cast(F32, (x - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32))
        feed = {self._saliency.get_inputs()[0].name: np.ascontiguousarray(x.transpose(2, 0, 1)[None])}
        out: Any = self._saliency.run(None, feed)[0][0, 0]
        low, top = float(out.min()), float(out.max())
        return _enlarged((out - low) / max(top - low, 1e-6), rgb)


def person_matte(rgb: U8, points: F32, networks: MatteNetworks | None = None, progress: Progress | None = None) -> F32:
    """Return the opacity (H, W) float32 0..1 of the person whose face landmarks are given.

    `rgb` (H, W, 3); `points` (N, 2 or more) landmarks in px of the one face that counts: other people and things are
    background where they stand apart. `networks` spares loading them (and, the first time, fetching them, which may
    raise `UserError`).
    """
    if networks is None:
        networks = MatteNetworks(asset_path(SEGMENTER, progress=progress), asset_path(SALIENCY, progress=progress))
    scale = min(1.0, _GUIDE_PX / max(rgb.shape[:2]))
    if scale < 1.0:
        size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
        small = cast(U8, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
        coarse = person_matte(small, points[:, :2] * np.float32(scale), networks)
        return _along_edges(rgb, coarse)
    xy = points[:, :2].astype(np.float32)
    person, salient = (_whole_and_head(guess, rgb, xy) for guess in (networks.person, networks.salient))
    return refine_matte(rgb, person, salient, xy)


def refine_matte(rgb: U8, person: F32, salient: F32, points: F32) -> F32:
    """Return the matte (H, W) from the two networks' guesses: agree, decide by colour, keep what hangs together.

    `person`, `salient` (H, W) 0..1; `points` (N, 2) px.
    """
    height, width = rgb.shape[:2]
    low, high = points.min(0), points.max(0)
    size = float((high - low).max())  # face size: forehead to chin, roughly
    face = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    prior = _one_person(_blend(person, salient, chin=float(high[1]), size=size), face, 0.5)
    prior[face > 0] = 1.0

    solid = prior > 0.5
    outside = _distance(~solid) / size  # of background pixels to the person
    inside = _distance(solid) / size
    # Wisps stand out above and beside the head; a jacket's outline is sharp.
    y = np.arange(height, dtype=np.float32)[:, None]
    reach = np.interp(y, [high[1] - 0.2 * size, high[1] + 0.4 * size], [0.14, 0.05]).astype(np.float32)
    # Only the surroundings of the outline are open: a doubt deep inside or far outside is settled by the guess.
    unsure = (prior > 0.04) & (prior < 0.96) & (outside < 0.2) & (inside < 0.12)
    undecided = (face == 0) & (((outside > 0) & (outside < reach)) | ((inside > 0) & (inside < 0.04)) | unsure)
    confident = np.abs(prior - 0.5) * 2
    trust = 0.003 + 0.3 * confident**4 * np.clip((outside + inside) / 0.14, 0, 1) ** 2
    guess = np.where(undecided, prior, solid.astype(np.float32))
    alpha = closed_form_alpha(rgb.astype(np.float32) / np.float32(255), guess, trust.astype(np.float32), undecided)
    alpha = np.clip((alpha - 0.08) / 0.86, 0, 1).astype(np.float32)
    return _tidy(alpha, face, size)


def _blend(person: F32, salient: F32, chin: float, size: float) -> F32:
    """Mix the guesses and make up one's mind: the outline network leads around the head, the body network below."""
    y = np.arange(person.shape[0], dtype=np.float32)[:, None]
    lead = 0.65 * np.clip(1 - (y - chin) / (0.25 * size), 0, 1)
    # What only the outline network claims, half-heartedly or far from any body, stands out but is no person.
    near = 1 - np.clip((_distance(~(person > 0.5)) / size - 0.1) / 0.2, 0, 1)
    doubted = np.where(person < 0.25, salient * near * np.clip((salient - 0.4) / 0.4, 0, 1), salient)
    mixed = lead * doubted + (1 - lead) * person
    t = np.clip((mixed - 0.3) / 0.5, 0, 1)
    return cast(F32, (t * t * (3 - 2 * t)).astype(np.float32))


def _one_person(opacity: F32, face: U8, level: float) -> F32:
    """Clear what is not connected to the face at an opacity above `level`."""
    _, labels = cv2.connectedComponents(((opacity > level) | (face > 0)).astype(np.uint8), connectivity=8)
    mine = np.zeros(int(labels.max()) + 1, bool)
    mine[np.unique(labels[face > 0])] = True
    mine[0] = True  # below the level: soft edges stay
    return np.where(mine[labels], opacity, np.float32(0))


def _tidy(alpha: F32, face: U8, size: float) -> F32:
    # A loose curl hangs on by a thread: connect at a low opacity.
    alpha = _one_person(alpha, face, 0.08)
    # Pinholes (a glint on an earring, a light strand) are the person's own; real gaps between curls are larger.
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha < 0.5).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < (0.09 * size) ** 2
    small[0] = False
    return (
        np.ascontiguousarray(np.where(small[labels], np.maximum(alpha, 0.95), alpha), np.float32)
        if count > 1
        else alpha
    )


def _whole_and_head(guess: Guess, rgb: U8, points: F32) -> F32:
    """Run a network on the picture, and again on the head alone when that shows it much larger."""
    whole = guess(rgb)
    low, high = points.min(0), points.max(0)
    size = float((high - low).max())
    cx, cy = (low + high) / 2 - (0, 0.1 * size)
    x0, y0 = max(0, int(cx - _HEAD_CROP * size)), max(0, int(cy - _HEAD_CROP * size))
    x1, y1 = min(rgb.shape[1], int(cx + _HEAD_CROP * size)), min(rgb.shape[0], int(cy + _HEAD_CROP * size))
    if max(x1 - x0, y1 - y0) > 0.75 * max(rgb.shape[:2]):
        return whole
    crop = guess(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    # Fade out towards the crop's own borders, except where it ends with the picture.
    ramp = 0.25 * size
    y, x = np.arange(y0, y1, dtype=np.float32), np.arange(x0, x1, dtype=np.float32)
    wy = np.minimum(np.where(y0 > 0, (y - y0) / ramp, 1.0), np.where(y1 < rgb.shape[0], (y1 - 1 - y) / ramp, 1.0))
    wx = np.minimum(np.where(x0 > 0, (x - x0) / ramp, 1.0), np.where(x1 < rgb.shape[1], (x1 - 1 - x) / ramp, 1.0))
    weight = np.clip(np.minimum.outer(wy, wx), 0, 1).astype(np.float32)
    out = whole.copy()
    out[y0:y1, x0:x1] += weight * (crop - out[y0:y1, x0:x1])
    return out


def _along_edges(rgb: U8, coarse: F32) -> F32:
    """Enlarge a matte to its picture's size; a guided filter (He et al., 2010) moves its edges onto the picture's."""
    size = (rgb.shape[1], rgb.shape[0])
    large = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    radius = max(2, round(1.5 * max(rgb.shape[:2]) / max(coarse.shape)))
    guide = rgb.astype(np.float32) / np.float32(255)
    fine = cv2.ximgproc.guidedFilter(guide, large, radius, 1e-4)
    return cast(F32, np.clip(fine, 0, 1).astype(np.float32))


def _distance(inside: Any) -> F32:
    return cast(F32, cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5))


def _shrunk(rgb: U8, side: int) -> U8:
    how = cv2.INTER_AREA if min(rgb.shape[:2]) > side else cv2.INTER_LINEAR
    return cast(U8, cv2.resize(rgb, (side, side), interpolation=how))


def _enlarged(small: F32, rgb: U8) -> F32:
    large = cv2.resize(small, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)
    return cast(F32, np.clip(large, 0, 1))
