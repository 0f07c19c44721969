"""Frames of the driver to params: find the face, follow it, fit it; remembers one head and its open eyes."""

from __future__ import annotations

from typing import Any

import numpy as np

from models import lids
from models.assets import asset_path
from models.face import F32, F64, U8, FaceParams
from models.fitting import Camera, Fitter
from models.inner_light import Inside
from models.landmarks import FaceNetworks, Landmarks, Roi, follow, roi_from_points
from models.morphable import load_morphable
from models.second_look import EVERY, SecondLook

_FOUND = 0.5  # presence that starts a track
_KEPT = 0.35  # presence that keeps it
_JUMP_PX_SHARE = 0.5  # a landmark box that moves by this share of its side is another face


class FaceTracker:
    """Tracks the largest face of a stream; one instance for one driver, used from one thread.

    It reads a new face mirrored too, and corrects all frames by that (`models/second_look.py`): begun later, the
    correction would shift a face whose neutral is known. It does so again every so many frames (`every`), or with 0
    where `use_spare_time` is called. Without `inside` it does not measure how light mouth and eyes are inside.
    """

    def __init__(self, device: str = "auto", threads: int = 2, networks: FaceNetworks | None = None,
                 every: int = 0, inside: bool = True) -> None:  # fmt: skip
        if device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device: expected auto, cpu or cuda, got {device!r}")
        self._nets = networks or FaceNetworks(asset_path("face_landmarker.task"), threads)
        self._fitter = Fitter(load_morphable())
        self._second, self._every = SecondLook(self._nets), every
        self._inside = Inside() if inside else None
        self._seen = 0  # frames of this face
        self._looked: int | None = None  # of them, when it was looked at twice last
        self._read: tuple[U8, F32] | None = None  # the last frame and what one look saw in it
        self._roi: Roi | None = None
        self._head: F64 | None = None
        self._open: F64 = np.full(2, lids.TYPICAL)
        self._last: FaceParams | None = None
        self._last_points: F32 | None = None

    def reset(self) -> None:
        """Forget the person: the next face is identified anew."""
        self._roi = self._head = self._last = self._last_points = None
        self._lose()

    def _lose(self) -> None:
        self._second.forget()
        if self._inside is not None:
            self._inside.forget()
        self._seen, self._looked, self._read = 0, None, None

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
        read = self._follow(rgb)
        if read is None:
            self._roi = self._last = self._last_points = None
            self._lose()
            return None, 0.0
        points, presence = read
        self._read, self._seen = (rgb, points), self._seen + 1
        if self._looked is None or (self._every and (self._seen - 1) % self._every == 0):
            self._look(rgb, points)
        points = self._second.correct(points)
        camera = Camera(rgb.shape[1], rgb.shape[0])
        self._last_points = points
        gaps = lids.openness(points)
        scores = self._nets.scores(points)
        if self._head is None:
            self._open = lids.open_reference(gaps, scores)
            lids.write_units(scores, lids.seen_ratio(gaps, self._open, scores))
            self._head, params = self._fitter.identify(points, camera, scores)
        else:
            lids.write_units(scores, lids.seen_ratio(gaps, self._open, scores))
            steps = 2 if self._last is not None else 5
            params = self._fitter.fit(points, camera, self._head, scores, self._last, steps)
        self._last = params
        if self._inside is not None:
            params = params.with_(light=self._inside.look(rgb, points))
        return params, presence

    def use_spare_time(self) -> bool:
        """Look at the last frame a second time, if one is due; for whoever has some milliseconds until the next.

        Says whether it looked.
        """
        if self._read is None or self._looked is None or self._seen - self._looked < EVERY:
            return False
        self._look(*self._read)
        return True

    def _look(self, rgb: U8, points: F32) -> None:
        self._second.look(rgb, points)
        self._looked, self._read = self._seen, None  # once is enough

    def _follow(self, rgb: U8) -> tuple[F32, float] | None:
        """Return landmarks (478, 3) px and presence where the face was last, or wherever one is now."""
        if self._roi is not None:
            points, presence = self._nets.look(rgb, self._roi)
            roi = roi_from_points(points)
            jump = np.hypot(roi.cx - self._roi.cx, roi.cy - self._roi.cy)
            if presence >= _KEPT and jump < _JUMP_PX_SHARE * self._roi.side:
                self._roi = follow(self._roi, roi)
                return points, presence
        found = find_face(self._nets, rgb)
        self._roi = None if found is None else roi_from_points(found.points)
        return None if found is None else (found.points, found.presence)


def find_face(nets: FaceNetworks, rgb: U8, rounds: int = 6) -> Landmarks | None:
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
