"""What `imagine` moves by, packed by `models/training/build_imagine.py`: real motion in latent rows, nodes, blinks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.dynamics_space import GAZE_COLUMNS, LID_COLUMNS, N_ROW
from models.face import F32, F64

DATA = Path(__file__).resolve().parent / "data" / "imagine.npz"
FPS = 30.0
BLINK_S = np.arange(-0.2, 0.4, 1 / 60)
PLAIN = (*range(6), *LID_COLUMNS, *GAZE_COLUMNS)  # columns kept as they are: pose, lids, gaze
FACE = tuple(i for i in range(N_ROW) if i not in PLAIN)  # columns kept as latents
_N_PLAIN = len(PLAIN)
_PLAIN, _FACE = np.array(PLAIN), np.array(FACE)
_TRUE_TO_STYLE = 0.8  # share of a segment that must show the style
_ENOUGH = 16  # nodes to choose among
_POSE_WEIGHT = 2.5  # a pose that does not match is seen more than a mouth that does not


@dataclass(frozen=True, eq=False)
class Store:
    """Frames of several people one after the other, at 30 a second, about each person's rest."""

    latent: F32  # (T, 12 + L)
    basis: F64  # (L, len(FACE))
    mean: F64  # (len(FACE),)
    node: npt.NDArray[np.int64]  # (M,) frames where a segment may start
    person: npt.NDArray[np.int64]  # (M,) number of the person
    left: npt.NDArray[np.int64]  # (M,) frames from a node to its person's end
    shown: npt.NDArray[np.int64]  # (T + 1, 3) frames of each style before a frame
    states: F32  # (M, K) state of every node, to match by
    spread: F32  # (12 + L,) standard deviations
    blink: F64  # (B, len(BLINK_S)) curves, 0..1
    blink_s: F64  # (len(BLINK_S),) s from the peak
    gaps: F64  # s between blinks

    def fits(self, style: int, frames: float) -> npt.NDArray[np.int64]:
        """Nodes with at least so many frames after them that show a style: those most true to it."""
        n = int(frames) + 1
        there = np.flatnonzero(self.left > n + 3)
        start = self.node[there]
        share = (self.shown[start + n, style] - self.shown[start, style]) / n
        worst = min(_TRUE_TO_STYLE, float(np.partition(share, -_ENOUGH)[-_ENOUGH]))
        return np.asarray(there[share >= worst])

    def at(self, frame: float) -> tuple[F64, F64]:
        """Row (N_ROW,) and its speed (per frame) at a place between frames, by Catmull-Rom splines."""
        x, v = self._latent(frame)
        return self._row(x, self.mean), self._row(v, np.zeros_like(self.mean))

    def state(self, frame: float, match_s: float) -> F32:
        """State at a place between frames."""
        return self._state(*self._latent(frame), match_s)

    def state_of(self, row: F64, speed: F64, match_s: float) -> F32:
        """State of a row with a speed, 1/s, that need not come from the store."""
        inverse = np.linalg.pinv(self.basis)
        x = np.concatenate([row[_PLAIN], (row[_FACE] - self.mean) @ inverse])
        v = np.concatenate([speed[_PLAIN], speed[_FACE] @ inverse]) / FPS
        return self._state(x, v, match_s)

    def _state(self, x: F64, v: F64, match_s: float) -> F32:
        keep = np.r_[0:6, _N_PLAIN : len(self.spread)]
        weight = np.where(keep < 6, _POSE_WEIGHT, 1.0) / self.spread[keep]
        return np.concatenate([x[..., keep] * weight, v[..., keep] * weight * (FPS * match_s)], -1).astype(np.float32)

    def _latent(self, frame: float) -> tuple[F64, F64]:
        k = min(max(int(frame), 1), len(self.latent) - 3)
        u = frame - k
        p0, p1, p2, p3 = self.latent[k - 1 : k + 3].astype(np.float64)
        a, b, c = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * (p1 - p2) + p3 - p0
        return p1 + 0.5 * u * (a + u * (b + u * c)), 0.5 * (a + u * (2 * b + 3 * u * c))

    def _row(self, x: F64, mean: F64) -> F64:
        out = np.empty(N_ROW)
        out[_PLAIN] = x[:_N_PLAIN]
        out[_FACE] = mean + x[_N_PLAIN:] @ self.basis
        return out


def load_store(path: Path = DATA, match_s: float = 0.12) -> Store:
    """Read the packed motion in about ten milliseconds."""
    with np.load(path) as z:
        latent = (np.cumsum(z["latent"].T, axis=0, dtype=np.int32) * z["steps"]).astype(np.float32)
        ends, node = z["ends"].astype(np.int64), z["node"].astype(np.int64)
        basis, mean = z["basis"].astype(np.float64), z["mean"].astype(np.float64)
        shown = np.cumsum(
            np.pad(np.unpackbits(z["style"], axis=0)[: len(latent)], ((1, 0), (0, 0))), axis=0, dtype=np.int64
        )
        blink, gaps = z["blink"].astype(np.float64) / 255, z["gaps"].astype(np.float64)
    node = np.maximum(node, 1)
    person = np.searchsorted(ends, node, side="right")
    left = ends[person] - node
    spread = latent.std(0) + np.float32(1e-9)
    speed = (latent[node + 1] - latent[node - 1]) / 2
    none = np.empty((0, 0), np.float32)
    bare = Store(latent, basis, mean, node, person, left, shown, none, spread, blink, BLINK_S, gaps)
    states = bare._state(latent[node].astype(np.float64), speed.astype(np.float64), match_s)
    return replace(bare, states=states)
