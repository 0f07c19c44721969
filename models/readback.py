"""The puppet reads its own pictures back, once a photo, and aims its lids so that they are read where they belong.

A finished picture is looked at by the same landmark network that looks at the driver. Where it sees the lids is not
quite where the mesh was aimed: the photo's landmarks err a little, and painted lids look a little different. For one
photo that error is much the same in all pictures of a kind, so some dozens of expressions of other people are drawn and
read, and what the lids are off by is fitted as a linear map of their own motion (docs/decisions/0411, which also says
why lips are left alone).
"""

from __future__ import annotations

import functools
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import rotation
from models.assets import asset_path, cache_dir
from models.cache_files import read_arrays, write_arrays
from models.face import F32, I32, N_UNITS, FaceParams
from models.landmarks import FaceNetworks, roi_from_points
from models.morphable import EYES, IOD_MM, N_MESH, OUTER_CORNERS, load_morphable
from models.transfer import LEARNED_LIMIT

if TYPE_CHECKING:
    from models.puppet import Puppet

log = logging.getLogger(__name__)
DATA = Path(__file__).parent / "data" / "readback.npz"
VERSION = 4  # raise when anything below computes differently
LIDS = np.array(sorted(i for e in EYES for i in e.contour))
_ROWS = [tuple(np.searchsorted(LIDS, row) for row in (e.upper, e.lower)) for e in EYES]  # in LIDS, paired
SHARE = 0.7  # of the error is taken back: what is read moves by less than the lids do, and other readers see less of it
MOST_MM = 0.8  # no point is moved farther
FAR_MM = 9.0  # skin goes with the lids up to a third of this, less and less up to this
_WIDTH_MM = 3.0  # of the neighbourhood whose moves are mixed
_REST_MM, _MOVED_MM = 0.1, 0.4  # lids that move by less are left where they are: the photo at rest keeps its pixels
_SHUT_MM = 2.0  # lids that are closer keep less of what would open or close them
_OUTLIER = 0.03  # of the inter-ocular distance; the network errs by more only where it sees no face
_PRESENCE = 0.5


@dataclass(frozen=True, eq=False)
class Readback:
    """Where the lids of one photo's finished pictures are to be aimed instead."""

    own: F32  # (92,) the photo's own expression
    error: F32  # (65, 64) mm of all lid points, x and y, by a constant and by the points' motion in mm

    def aim(self, head: F32, expression: F32) -> None:
        """Move the lids and the skin around them, in place; head (478, 3) mm as an expression (92,) made it."""
        skin = _skin()
        z = (expression - self.own) @ skin.motion
        off = (SHARE * _ramp(np.sqrt(z @ z)) * (self.error[0] + z @ self.error[1:])).reshape(-1, 2)
        length = np.hypot(off[:, 0], off[:, 1])[:, None]
        off *= MOST_MM * np.tanh(length / MOST_MM) / np.maximum(length, 1e-9)
        for up, low in _ROWS:  # shut lids stay together
            gap = np.linalg.norm(head[LIDS[up], :2] - head[LIDS[low], :2], axis=1)
            half = 0.5 * (off[up] - off[low]) * (1.0 - np.minimum(gap / _SHUT_MM, 1.0))[:, None]
            off[up] -= half
            off[low] += half
        head[skin.near, :2] -= skin.spread @ off


@dataclass(frozen=True, eq=False)
class _Skin:
    motion: F32  # (92, 64) mm of the lid points by expression, over the root of their number
    near: I32  # (N,) vertices that move with the lids
    spread: F32  # (N, 32) how much of each lid point's move they take


@functools.cache
def _skin() -> _Skin:
    """What never changes: the lids' motion by expression, and the skin that goes with them."""
    model = load_morphable()
    motion = model.basis[:, LIDS, :2].reshape(len(model.basis), -1) / np.sqrt(len(LIDS))
    mean = model.mean[:N_MESH, :2]
    d = np.linalg.norm(mean[:, None] - mean[LIDS][None], axis=2)
    w = np.exp(-((d / _WIDTH_MM) ** 2))
    fade = np.clip((FAR_MM - d.min(1)) / (FAR_MM * 2 / 3), 0.0, 1.0)
    w = w / np.maximum(w.sum(1, keepdims=True), 1e-9) * fade[:, None]
    w[LIDS] = np.eye(len(LIDS))
    near = np.flatnonzero(w.any(1))
    return _Skin(motion.astype(np.float32), near.astype(np.int32), w[near].astype(np.float32))


def read_back(puppet: Puppet, networks: FaceNetworks, data: Path = DATA) -> Readback | None:
    """Draw a puppet's face with some dozens of expressions, read them, and fit what its lids are off by.

    The puppet must have a generator that paints into the warp. None when the network does not see a face in most
    pictures, as with some drawings: then the lids stay where they are aimed.
    """
    with np.load(data) as z:
        changes, turns = z["expression"].astype(np.float32), z["turn"].astype(np.float64)
    source, motions, errors = puppet.source.params, [], []
    for change, turn in zip(changes, turns, strict=True):
        e = source.expression + change
        e[:N_UNITS] = np.clip(e[:N_UNITS], 0.0, 1.0)
        e[N_UNITS:] = np.clip(e[N_UNITS:], -LEARNED_LIMIT, LEARNED_LIMIT)
        q = rotation.multiply(rotation.exp(turn), source.rotation)
        error = _misread(puppet, networks, FaceParams(q, source.translation, e, source.gaze))
        if error is not None:
            motions.append((e - source.expression) @ _skin().motion)
            errors.append(error)
    if len(motions) < len(changes) // 2:
        log.info("lids are not read back: a face was seen in %d of %d pictures", len(motions), len(changes))
        return None
    return Readback(source.expression.copy(), fit(np.array(motions), np.array(errors)))


def fit(motion: F32, errors: F32) -> F32:
    """Ridge regression of errors (N, M) mm on the points' motion (N, K) mm and a constant, (K + 1, M).

    The error is modelled as it is taken back: `ramp * (constant + motion . map)`, ramp the smooth step of |motion|
    from _REST_MM to _MOVED_MM.
    """
    moved = np.linalg.norm(motion.astype(np.float64), axis=1, keepdims=True)
    x = np.hstack([np.ones((len(motion), 1)), motion]) * _ramp(moved)
    return np.asarray(np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ errors), np.float32)


def _ramp(moved_mm: Any) -> Any:
    t = np.clip((moved_mm - _REST_MM) / (_MOVED_MM - _REST_MM), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _misread(puppet: Puppet, networks: FaceNetworks, params: FaceParams) -> F32 | None:
    """Lids as read less lids as aimed, (64,) mm in the face's own plane; None without a face."""
    frame, v = puppet.draw(params)
    seen = networks.landmarks(frame, roi_from_points(v))
    right = v[OUTER_CORNERS[1], :2] - v[OUTER_CORNERS[0], :2]
    length = float(np.linalg.norm(right))
    if seen.presence < _PRESENCE or length < 1.0 or not np.isfinite(seen.points).all():
        return None
    x = right / length
    off = (seen.points[LIDS, :2] - v[LIDS, :2]) @ np.stack([x, [-x[1], x[0]]]).T / length
    return np.asarray(np.clip(off, -_OUTLIER, _OUTLIER).reshape(-1) * IOD_MM, np.float32)


def load_readback(puppet: Puppet, networks: FaceNetworks | None = None) -> Readback | None:
    """Read a puppet back, or take what was found before from the user's cache; None without such a generator."""
    generator = puppet.generator
    if generator is None or getattr(generator, "whole", False):
        return None
    report, s = generator.report, puppet.source
    stamp = (VERSION, generator.stamp, s.image.shape, *(report.get(k) for k in ("runtime", "device", "precision")))
    content = s.image.tobytes() + np.ascontiguousarray(s.head).tobytes() + s.plate.tobytes() + repr(stamp).encode()
    file = cache_dir() / "readback" / f"{hashlib.sha256(content + DATA.read_bytes()).hexdigest()[:32]}.npz"
    kept = read_arrays(file)
    if kept is not None and {"own", "error"} <= kept.keys():
        return Readback(kept["own"], kept["error"]) if len(kept["error"]) else None
    found = read_back(puppet, networks or FaceNetworks(asset_path("face_landmarker.task")))
    nothing = np.zeros((0, 0), np.float32)
    write_arrays(file, {"own": nothing, "error": nothing} if found is None else vars(found))
    return found
