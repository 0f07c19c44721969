"""Reads a face a second time, mirrored, where there is time for it, and keeps what that taught for the frames between.

The landmark network errs by about as much as the engine's pictures do, and in other ways when it sees the face
mirrored: the mean of both looks is nearer to what other networks read (docs/decisions/0014). Half the difference of
the looks changes slowly, so every twelfth frame is enough, as long as a point that has moved since asks for less of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.face import F32, F64, U8
from models.landmarks import FaceNetworks, Landmarks, Roi, roi_from_points
from models.morphable import OUTER_CORNERS, load_morphable

EVERY = 12  # frames: every third one is no better
_NEAR = 0.04  # of the inter-ocular distance: a point that has moved by this takes half of what was found
_KEPT = 0.4  # of what was found before, where the face is as it was: single looks differ by the network's noise
_LOOKS = tuple((scale, turn) for scale in (0.85, 1.0, 1.15) for turn in (-0.15, 0.0, 0.15))  # region: times, radians


@dataclass(frozen=True, eq=False)
class _Found:
    """Half the difference of two looks."""

    at: F64  # (478, 3) where the points were, in sides of the region
    off: F64  # (478, 3) the same unit

    def share(self, here: F64) -> F64:
        """How much of it holds for points (478, 3) that are elsewhere in the region by now, (478, 1) 0..1."""
        eyes = here[OUTER_CORNERS[1], :2] - here[OUTER_CORNERS[0], :2]
        moved = ((here[:, :2] - self.at[:, :2]) ** 2).sum(1, keepdims=True) / (_NEAR**2 * (eyes @ eyes))
        return np.asarray(1.0 / (1.0 + moved), np.float64)


class SecondLook:
    """Corrects one driver's landmarks; used from one thread."""

    def __init__(self, networks: FaceNetworks) -> None:
        self._nets = networks
        self._found: _Found | None = None

    def forget(self) -> None:
        """Forget the face."""
        self._found = None

    def look(self, rgb: U8, points: F32) -> None:
        """Read the face of a frame (H, W, 3) mirrored; points (478, 3) px are what was read of it as it is."""
        roi = roi_from_points(points)
        here = _into(points, roi)
        seen, _ = self._nets.look(rgb, roi, load_morphable().mirror)
        off = 0.5 * (_into(seen, roi) - here)
        if self._found is not None:
            off += _KEPT * self._found.share(here) * (self._found.off - off)
        self._found = _Found(here, off)

    def correct(self, points: F32) -> F32:
        """Return points (478, 3) px as both looks have them; as they are before any second look."""
        if self._found is None:
            return points
        roi = roi_from_points(points)
        here = _into(points, roi)
        return _out_of(here + self._found.share(here) * self._found.off, roi)


def look_again(nets: FaceNetworks, rgb: U8, face: Landmarks) -> Landmarks:
    """Read a face of a photo 18 times: smaller, larger and turned, each mirrored too.

    rgb (H, W, 3), `face` as it was found there. The mean counts half; the mean of the look as it is and its mirrored
    one, which is how a driver is read, the other half. The scores are those of the points that are returned.
    """
    mirror, roi = load_morphable().mirror, roi_from_points(face.points)
    looks, twice = [], [face.points]
    for scale, turn in _LOOKS:
        region = replace(roi, side=roi.side * scale, angle=roi.angle + turn)
        for partner in (None, mirror):
            looks.append(nets.look(rgb, region, partner)[0])
        if (scale, turn) == (1.0, 0.0):
            twice.append(looks[-1])
    points = np.asarray(0.5 * np.mean(twice, 0, np.float64) + 0.5 * np.mean(looks, 0, np.float64), np.float32)
    return Landmarks(points, nets.scores(points), face.presence)


def _into(points: F32, roi: Roi) -> F64:
    """Image (N, 3) px to the region's own frame, in its sides."""
    c, s = np.cos(roi.angle) / roi.side, np.sin(roi.angle) / roi.side
    d = points[:, :2].astype(np.float64) - (roi.cx, roi.cy)
    return np.column_stack([d[:, 0] * c + d[:, 1] * s, d[:, 1] * c - d[:, 0] * s, points[:, 2] / roi.side])


def _out_of(inside: F64, roi: Roi) -> F32:
    """Undo `_into`."""
    c, s = np.cos(roi.angle) * roi.side, np.sin(roi.angle) * roi.side
    x, y = inside[:, 0], inside[:, 1]
    return np.column_stack([x * c - y * s + roi.cx, x * s + y * c + roi.cy, inside[:, 2] * roi.side]).astype(np.float32)
