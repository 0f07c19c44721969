"""MediaPipe's face networks run directly on LiteRT: 478 landmarks and the ARKit scores of one face per picture.

The three networks come out of `face_landmarker.task` (models/assets). Running them without the MediaPipe task graph
takes a third of the time, adds no smoothing of its own (its video mode lags), and keeps the driver's picture in this
process. `tests/models/test_landmarks.py` holds it to MediaPipe's own answer.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kernels import paste
from models.face import F32, I32, U8, UNITS

N_LANDMARKS = 478
_CROP_PX = 256
_DETECT_PX = 128
_ROI_SCALE = 1.5  # MediaPipe's margin around the box of the landmarks
_ROI_RESTS = 0.005  # sides and radians: a region that is to move by as much moves by half of it

# The scores' network reads these landmarks (MediaPipe face_blendshapes_graph.cc, Apache-2.0, list of indices).
BLENDSHAPE_LANDMARKS = np.array(
    [0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
     81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
     154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
     251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314,
     317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
     384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
     474, 475, 476, 477]
)  # fmt: skip

# Order of the network's 52 scores: "_neutral" first, then our names without tongueOut.
_SCORE_TO_UNIT = np.arange(len(UNITS) - 1)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """One face in one picture."""

    points: F32  # (478, 3) px in the picture, pixel centres at integers; z in the same unit, smaller is nearer
    scores: F32  # (52,) ARKit units 0..1 as MediaPipe scores them
    presence: float  # 0..1


@dataclass(frozen=True)
class Roi:
    """A square turned with the face: centre and side in px, angle in radians."""

    cx: float
    cy: float
    side: float
    angle: float


class _Net:
    """One network on LiteRT: fixed shapes, outputs by name."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net: Any = Interpreter(model_content=content, num_threads=threads)
        self._net.allocate_tensors()
        self._input = self._net.tensor(self._net.get_input_details()[0]["index"])
        details = self._net.get_output_details()
        self._outputs = {d["name"]: self._net.tensor(d["index"]) for d in details}
        self.first = details[0]["name"]

    @property
    def input(self) -> F32:
        """The network's own input array; nobody may hold it while `run` works."""
        return self._input()  # type: ignore[no-any-return]

    def run(self, *names: str) -> list[F32]:
        """Compute, and return copies of the outputs of these names."""
        self._net.invoke()
        return [self._outputs[name]().copy() for name in names]


class FaceNetworks:
    """The detector, the landmark network and the score network, loaded once."""

    def __init__(self, task_file: Path, threads: int = 2) -> None:
        with zipfile.ZipFile(task_file) as z:
            self._detector = _Net(z.read("face_detector.tflite"), 1)
            self._mesh = _Net(z.read("face_landmarks_detector.tflite"), threads)
            self._scores = _Net(z.read("face_blendshapes.tflite"), 1)
        self._anchors = _anchors()

    def detect(self, rgb: U8, limit: int = 5, min_score: float = 0.5) -> list[tuple[Roi, float]]:
        """Find faces in a whole picture: (roi, score), best first."""
        h, w = rgb.shape[:2]
        side = max(h, w)
        k = _DETECT_PX / side
        m = np.array([[k, 0, (_DETECT_PX - 1) / 2 - k * (w - 1) / 2], [0, k, (_DETECT_PX - 1) / 2 - k * (h - 1) / 2]])
        small = rgb
        if k < 0.5:  # area first: the sampler below reads four pixels only
            f = max(1, int(0.5 / k))
            small = cv2.resize(rgb, (max(1, w // f), max(1, h // f)), interpolation=cv2.INTER_AREA)
            fx, fy = w / small.shape[1], h / small.shape[0]
            m2 = m @ np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
        else:
            m2 = m
        x = cv2.warpAffine(small, m2, (_DETECT_PX, _DETECT_PX), flags=cv2.INTER_LINEAR)
        self._detector.input[0] = x.astype(np.float32) / 127.5 - 1.0
        boxes, score = self._detector.run("regressors", "classificators")
        s = 1 / (1 + np.exp(-np.clip(score[0, :, 0], -50, 50)))
        keep = np.flatnonzero(s > min_score)
        if not len(keep):
            return []
        b = boxes[0, keep].reshape(-1, 8, 2) / _DETECT_PX
        b[:, 0] += self._anchors[keep]
        b[:, 2:] += self._anchors[keep][:, None]
        found: list[tuple[Roi, float]] = []
        for group in _cluster(b, s[keep]):
            q = np.average(b[group], axis=0, weights=s[keep][group])
            pts = (q[[0, 2, 3]] * _DETECT_PX - 0.5 - m[:, 2]) / k
            size = q[1] * _DETECT_PX / k
            d = pts[2] - pts[1]
            found.append((Roi(float(pts[0, 0]), float(pts[0, 1]), float(size.max() * _ROI_SCALE),
                              float(np.arctan2(d[1], d[0]))), float(s[keep][group].max())))  # fmt: skip
        return sorted(found, key=lambda f: -f[1])[:limit]

    def landmarks(self, rgb: U8, roi: Roi) -> Landmarks:
        """Fit the 478 landmarks inside a region; `presence` tells whether a face is there at all."""
        points, presence = self.look(rgb, roi)
        return Landmarks(points, self.scores(points), presence)

    def look(self, rgb: U8, roi: Roi, mirror: I32 | None = None) -> tuple[F32, float]:
        """Read landmarks (478, 3) px and presence inside a region, without scores.

        With `mirror`, the partner (478,) of every point, the network sees the region mirrored; the answer is mirrored
        back. It errs in other ways then (docs/decisions/0014).
        """
        crop, back = crop_face(rgb, roi)
        paste.scale(crop if mirror is None else np.ascontiguousarray(crop[:, ::-1]), 1 / 255, self._mesh.input[0])
        mesh, flag = self._mesh.run("Identity", "Identity_1")
        p = mesh.reshape(N_LANDMARKS, 3).astype(np.float64)
        p[:, :2] -= 0.5  # pixel centres at integers
        if mirror is not None:
            p = p[mirror]
            p[:, 0] = _CROP_PX - 1 - p[:, 0]
        xy = p[:, :2] @ back[:, :2].T + back[:, 2]
        points = np.column_stack([xy, p[:, 2] * (roi.side / _CROP_PX)]).astype(np.float32)
        return points, float(1 / (1 + np.exp(-float(flag.ravel()[0]))))

    def scores(self, points: F32) -> F32:
        """Score the 52 ARKit units from landmarks (tongueOut has no score and stays 0)."""
        self._scores.input[0] = points[BLENDSHAPE_LANDMARKS, :2]
        (raw,) = self._scores.run(self._scores.first)
        out = np.zeros(len(UNITS), np.float32)
        out[_SCORE_TO_UNIT] = raw.ravel()[1:]
        return out


def roi_from_points(points: F32) -> Roi:
    """Region for the next frame from this frame's landmarks (MediaPipe: box, long side, turned with the eyes)."""
    xy = points[:468, :2]
    lo, hi = xy.min(0), xy.max(0)
    d = points[263, :2] - points[33, :2]
    c = (lo + hi) / 2
    return Roi(float(c[0]), float(c[1]), float((hi - lo).max() * _ROI_SCALE), float(np.arctan2(d[1], d[0])))


def follow(last: Roi, new: Roi) -> Roi:
    """Move a region towards where the landmarks in it say it belongs: hardly when that is near, at once when it is far.

    The network reads a face a little differently in every region, and the region comes from that reading: undamped, the
    landmarks of a still face wander (docs/decisions/0014).
    """
    turn = (new.angle - last.angle + np.pi) % (2 * np.pi) - np.pi
    square = ((new.cx - last.cx) ** 2 + (new.cy - last.cy) ** 2 + (new.side - last.side) ** 2) / last.side**2 + turn**2
    k = square / (square + _ROI_RESTS**2)
    return Roi(
        last.cx + k * (new.cx - last.cx),
        last.cy + k * (new.cy - last.cy),
        last.side + k * (new.side - last.side),
        last.angle + k * turn,
    )


def crop_face(rgb: U8, roi: Roi) -> tuple[U8, Any]:
    """Cut a region as the landmark network sees it, (256, 256, 3), and return the affine (2, 3) back to the picture."""
    k = roi.side / _CROP_PX
    c, s = np.cos(roi.angle) * k, np.sin(roi.angle) * k
    half = (_CROP_PX - 1) / 2
    back = np.array([[c, -s, roi.cx - c * half + s * half], [s, c, roi.cy - s * half - c * half]])
    src, m = rgb, back
    if k > 2.0:  # strong minification: average first, or sensor noise turns into jitter
        f = int(k)
        h, w = rgb.shape[:2]
        r = roi.side * 0.75
        x0, y0 = max(0, int(roi.cx - r)), max(0, int(roi.cy - r))
        x1, y1 = min(w, int(roi.cx + r) + 1), min(h, int(roi.cy + r) + 1)
        if x1 - x0 > 2 * f and y1 - y0 > 2 * f:
            x1, y1 = x0 + (x1 - x0) // f * f, y0 + (y1 - y0) // f * f
            src = cv2.resize(rgb[y0:y1, x0:x1], ((x1 - x0) // f, (y1 - y0) // f), interpolation=cv2.INTER_AREA)
            m = back.copy()
            m[:, 2] -= (x0, y0)
            m = m / f
            m[:, 2] += (1 / f - 1) / 2
    crop = cv2.warpAffine(src, m, (_CROP_PX, _CROP_PX), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(crop, np.uint8), back


def _anchors() -> F32:
    out = []
    for cells, repeat in ((16, 2), (8, 6)):  # BlazeFace short range: strides 8, 16, 16, 16, two anchors each
        y, x = np.mgrid[0:cells, 0:cells]
        out.append(np.repeat(np.stack([(x + 0.5) / cells, (y + 0.5) / cells], -1).reshape(-1, 2), repeat, axis=0))
    return np.concatenate(out).astype(np.float32)


def _cluster(boxes: F32, scores: Any, min_iou: float = 0.3) -> list[Any]:
    lo, hi = boxes[:, 0] - boxes[:, 1] / 2, boxes[:, 0] + boxes[:, 1] / 2
    area = np.prod(hi - lo, axis=1)
    left = list(np.argsort(-scores))
    groups = []
    while left:
        i = left[0]
        inter = np.prod(np.clip(np.minimum(hi[left], hi[i]) - np.maximum(lo[left], lo[i]), 0, None), axis=1)
        same = inter / np.maximum(area[left] + area[i] - inter, 1e-9) > min_iou
        same[0] = True
        groups.append(np.array(left)[same])
        left = [j for j, s in zip(left, same, strict=True) if not s]
    return groups
