"""The far cheek: what a turn uncovers is painted with skin from just inside the photo's outline, not with the outline.

Where the face itself ends in the photo, its outermost triangles are slivers full of half-transparent rim pixels. A turn
towards the camera makes them broad, and the rim becomes a ragged veil. So their vertices take their texture from
a little further in as they spread. At rest nothing is moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face import F32, I32
from models.morphable import N_MESH

SOFT_IOD = 0.05  # so wide is the rim that is not to be seen broad
_INNER_IOD = 0.22  # how far in a vertex stands whose distance tells the spread
_SPREAD = (1.05, 1.5)  # from which to which spread the texture moves in


@dataclass(frozen=True, eq=False)
class Rim:
    """Mesh vertices near the outline of the person, with where their texture goes when they spread."""

    ids: I32  # (K,) of the face mesh
    inner: I32  # (K,) mesh vertex further in, from which the spread is measured
    apart: F32  # (K,) px of the source picture between the two
    pull: F32  # (K, 2) px of the source picture, inward


def build_rim(points: F32, matte: F32, iod: float) -> Rim:
    """Find the vertices of a face mesh, points (468+, 2) px, that lie at the outline of its matte (H, W) 0..1."""
    h, w = matte.shape
    xy = points[:N_MESH, :2].astype(np.float32)
    # a picture's border is no outline: repeat it outwards
    grown = cv2.copyMakeBorder((matte > 0.98).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(grown, cv2.DIST_L2, 5)
    soft = SOFT_IOD * iod
    x = np.clip(np.rint(xy).astype(int), 0, [w - 1, h - 1]) + 1
    d = depth[x[:, 1], x[:, 0]]
    ids = np.flatnonzero(d < 3.0 * soft)
    deep = np.flatnonzero(d > _INNER_IOD * iod)
    if not len(ids) or not len(deep):
        none = np.empty(0, np.int32)
        return Rim(none, none, np.empty(0, np.float32), np.empty((0, 2), np.float32))
    inner = deep[np.linalg.norm(xy[ids, None] - xy[None, deep], axis=2).argmin(1)]
    way = xy[inner] - xy[ids]
    apart = np.linalg.norm(way, axis=1)
    # 0 .. 3 rims from the outline become 1 .. 3: no two vertices fall together
    far = soft * (1.0 - d[ids] / (3.0 * soft))
    pull = way * (np.minimum(far, 0.5 * apart) / apart)[:, None]
    return Rim(ids.astype(np.int32), inner.astype(np.int32), apart.astype(np.float32), pull.astype(np.float32))


def rim_shift(rim: Rim, face: F32, larger: float) -> F32:
    """Displacement (K, 2) px of the rim's texture, source picture, for a posed face mesh (468+, 2 or more) px.

    `larger`: size of the face over its size in the photo, for coming nearer uncovers nothing.
    """
    now = np.linalg.norm(face[rim.ids, :2] - face[rim.inner, :2], axis=1) / larger
    t = np.clip((now / rim.apart - _SPREAD[0]) / (_SPREAD[1] - _SPREAD[0]), 0.0, 1.0)
    return np.asarray(rim.pull * (t * t * (3.0 - 2.0 * t))[:, None], np.float32)
