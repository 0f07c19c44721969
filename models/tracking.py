"""Frames of the driver to params: find the face, follow it, fit it; remembers one head and its open eyes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models import lids
from models.assets import asset_path
from models.face import F32, F64, U8, FaceParams
from models.fitting import Camera, Fitter
from models.landmarks import FaceNetworks, Landmarks, Roi, roi_from_points
from models.morphable import load_morphable

_FOUND = 0.5  # presence that starts a track
_KEPT = 0.35  # presence that keeps it
_LOOKS = tuple((scale, turn) for scale in (0.85, 1.0, 1.15) for turn in (-0.15, 0.0, 0.15))  # region: times, radians
_JUMP_PX_SHARE = 0.5  # a landmark box that moves by this share of its side is another face


class FaceTracker:
    """Tracks the largest face of a stream; one instance for one driver, used from one thread.

    `careful` looks 18 times more (0.2 s) at the frame that a person is identified on: for runs that measure all motion
    from that one frame (docs/decisions/0010).
    """

    def __init__(self, device: str = "auto", threads: int = 2, networks: FaceNetworks | None = None,
                 careful: bool = False) -> None:  # fmt: skip
        if device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device: expected auto, cpu or cuda, got {device!r}")
        self._nets = networks or FaceNetworks(asset_path("face_landmarker.task"), threads)
        self._fitter = Fitter(load_morphable())
        self._careful = careful
        self._roi: Roi | None = None
        self._head: F64 | None = None
        self._open: F64 = np.full(2, lids.TYPICAL)
        self._last: FaceParams | None = None
        self._last_points: F32 | None = None

    def reset(self) -> None:
        """Forget the person: the next face is identified anew."""
        self._roi = self._head = self._last = self._last_points = None

    def close(self) -> None:
        """Let go of the networks."""
        self.reset()

    @property
    def points(self) -> F32 | None:
        """Landmarks of the last frame, (478, 3) px, for benchmarks; None when no face was found."""
        return self._last_points

    def track(self, rgb: U8, captured_ns: int) -> tuple[FaceParams | None, float]:
        """Fit the face of one frame.

        rgb (H, W, 3); captured_ns orders the frames. Returns (params, confidence 0..1); params None when there is no
        face, which is not an error.
        """
        del captured_ns
        face = self._follow(rgb)
        if face is None:
            self._roi = self._last = self._last_points = None
            return None, 0.0
        if self._careful and self._head is None:
            face = look_again(self._nets, rgb, face)
        camera = Camera(rgb.shape[1], rgb.shape[0])
        self._last_points = face.points
        gaps = lids.openness(face.points)
        scores = face.scores.copy()
        if self._head is None:
            self._open = lids.open_reference(gaps, scores)
            lids.write_units(scores, lids.seen_ratio(gaps, self._open, scores))
            self._head, params = self._fitter.identify(face.points, camera, scores)
        else:
            lids.write_units(scores, lids.seen_ratio(gaps, self._open, scores))
            steps = 2 if self._last is not None else 5
            params = self._fitter.fit(face.points, camera, self._head, scores, self._last, steps)
        self._last = params
        return params, face.presence

    def _follow(self, rgb: U8) -> Landmarks | None:
        if self._roi is not None:
            face = self._nets.landmarks(rgb, self._roi)
            roi = roi_from_points(face.points)
            jump = np.hypot(roi.cx - self._roi.cx, roi.cy - self._roi.cy)
            if face.presence >= _KEPT and jump < _JUMP_PX_SHARE * self._roi.side:
                self._roi = roi
                return face
        found = find_face(self._nets, rgb)
        self._roi = None if found is None else roi_from_points(found.points)
        return found


def look_again(nets: FaceNetworks, rgb: U8, face: Landmarks) -> Landmarks:
    """Read a face larger, smaller, turned and mirrored, and go half the way to the mean of all that.

    rgb (H, W, 3), `face` as it was found there. One look errs by up to 2 % of the eye distance on a mouth wide open.
    The look itself keeps half the weight, because later frames are read like it and share its bias. The scores are
    those of the new points.
    """
    mirror, roi, width = load_morphable().mirror, roi_from_points(face.points), rgb.shape[1]
    swapped = np.ascontiguousarray(rgb[:, ::-1])
    other = replace(roi, cx=width - 1 - roi.cx, angle=-roi.angle)
    looks = []
    for scale, turn in _LOOKS:
        looks.append(nets.landmarks(rgb, replace(roi, side=roi.side * scale, angle=roi.angle + turn)).points)
        seen = nets.landmarks(swapped, replace(other, side=other.side * scale, angle=other.angle - turn)).points[mirror]
        seen[:, 0] = width - 1 - seen[:, 0]
        looks.append(seen)
    points = np.asarray(0.5 * face.points + 0.5 * np.mean(looks, axis=0, dtype=np.float64), np.float32)
    return Landmarks(points, nets.scores(points), face.presence)


def find_face(nets: FaceNetworks, rgb: U8, rounds: int = 3) -> Landmarks | None:
    """Detect the largest face of a picture and settle its region; None when there is none."""
    found = nets.detect(rgb)
    for roi, _ in sorted(found, key=lambda f: -f[0].side):
        face: Any = None
        settled = roi
        for _ in range(rounds):
            face = nets.landmarks(rgb, settled)
            settled = roi_from_points(face.points)
        if face.presence >= _FOUND:
            return face  # type: ignore[no-any-return]
    return None
