"""Trajectories: params of real people over time, as numbers; packed small enough to lie in the repository.

A take is one clip as the engine's own tracker sees it, without any smoothing. Rotations are stored as rotation vectors
about the take's mean rotation; every coordinate is rounded to a step far below the tracker's noise, differenced in time
and deflated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models import motion, rotation
from models.dynamics_space import LID_COLUMNS, REGIONS, Development
from models.face import F64, N_UNITS, FaceParams
from models.motion import N_EXPRESSION, N_LEARNED

N_STORED = 6 + N_EXPRESSION + 4
DATA = Path(__file__).resolve().parent / "data" / "trajectories.npz"
HELD_OUT = ("deepfacelive_twitch1", "latentsync_1", "liveportrait_d11", "liveportrait_d9", "retalking_2", "retalking_4",
            "sadtalker_aoc", "tpsmm_driving")  # fmt: skip
"""Takes of people that nothing is ever trained or tuned on."""
_STEP = np.concatenate([
    np.full(3, 2e-4), np.full(3, 0.02), np.full(N_UNITS, 1 / 500), np.full(N_LEARNED, 0.02), np.full(4, 1e-3)
])  # fmt: skip
"""Rounding step of each coordinate: radians, mm, units, standard deviations, radians."""
_LONGEST_DELTA = 32_767  # steps


@dataclass(frozen=True, eq=False)
class Take:
    """One clip's params; frames without a face are left out."""

    name: str
    fps: float
    frame: npt.NDArray[np.int64]  # (T,) numbers of the frames in the clip, increasing
    centre: F64  # (4,) wxyz: rotation the vectors are about
    rows: F64  # (T, N_STORED): rotation vector, translation mm, expression, gaze

    @property
    def stamps_ns(self) -> npt.NDArray[np.int64]:
        """Time of every row from the clip's start, (T,) ns."""
        return np.round(self.frame * (1e9 / self.fps)).astype(np.int64)

    def params(self, i: int) -> FaceParams:
        """Return row `i` as params."""
        row = self.rows[i]
        e = row[6 : 6 + N_EXPRESSION].astype(np.float32)
        q = rotation.multiply(rotation.exp(row[:3]), self.centre)
        return FaceParams(q, row[3:6].copy(), e, row[-4:].reshape(2, 2).astype(np.float32))


def take_of(name: str, fps: float, frame: Sequence[int], seen: Sequence[FaceParams]) -> Take:
    """Return the take of tracked params; `frame` holds the frame number of each."""
    centre = motion.mean(seen).rotation
    rows = np.array([
        np.concatenate([
            rotation.log(rotation.multiply(p.rotation, rotation.inverse(centre))),
            p.translation, p.expression, p.gaze.ravel(),
        ]) for p in seen
    ])  # fmt: skip
    return Take(name, float(fps), np.asarray(frame, np.int64), centre, rows)


def save_takes(path: Path, takes: Sequence[Take]) -> None:
    """Write takes as one compressed file, rounded to `_STEP`.

    Raises ValueError for a coordinate that jumps by more than 32,767 steps between two rows (655 mm, 6.5 radians).
    """
    out: dict[str, Any] = {"names": np.array([t.name for t in takes])}
    for i, take in enumerate(takes):
        steps = np.round(take.rows / _STEP).astype(np.int64)
        # The first row is kept whole: a far head's depth is more steps than a change between rows may have.
        deltas = np.diff(steps, axis=0, prepend=steps[:1]).T
        if np.abs(deltas).max(initial=0) > _LONGEST_DELTA:
            raise ValueError(f"take {take.name}: a coordinate jumps too far between two rows to be stored")
        zigzag = ((deltas << 1) ^ (deltas >> 63)).astype(np.uint16)
        out[f"first{i}"] = steps[0].astype(np.int32)
        out[f"low{i}"] = (zigzag & 255).astype(np.uint8)
        out[f"high{i}"] = (zigzag >> 8).astype(np.uint8)
        out[f"frame{i}"] = take.frame.astype(np.int32)
        out[f"centre{i}"] = take.centre
        out[f"fps{i}"] = np.array(take.fps)
    np.savez_compressed(path, **out)


def load_takes(path: Path = DATA) -> list[Take]:
    """Read the takes of a file written by `save_takes`."""
    takes = []
    with np.load(path) as z:
        for i, name in enumerate(z["names"]):
            zigzag = z[f"low{i}"].astype(np.int32) | (z[f"high{i}"].astype(np.int32) << 8)
            deltas = (zigzag >> 1) ^ -(zigzag & 1)
            rows = (z[f"first{i}"] + np.cumsum(deltas, axis=1).T) * _STEP
            takes.append(Take(str(name), float(z[f"fps{i}"]), z[f"frame{i}"].astype(np.int64), z[f"centre{i}"], rows))
    return takes


@dataclass(frozen=True, eq=False)
class Track:
    """An unbroken stretch of a take in the coordinates of `models.dynamics_space`."""

    name: str
    fps: float
    t: F64  # (T,) s
    rows: F64  # (T, N_ROW) as tracked
    truth: F64  # (T, N_ROW) zero-phase smoothed; of a still face: its mean


def tracks_of(take: Take, longest_gap: int = 3, shortest_s: float = 1.0) -> list[Track]:
    """Return the stretches of a take, cut where the face was away for long; short gaps are bridged by lines."""
    cuts = np.flatnonzero(np.diff(take.frame) > longest_gap) + 1
    out = []
    for part in np.split(np.arange(len(take.frame)), cuts):
        if len(part) < max(8, shortest_s * take.fps):
            continue
        development = Development()
        rows = np.array([development.row(take.params(int(i))) for i in part])
        at = take.frame[part]
        frames = np.arange(at[0], at[-1] + 1)
        if len(frames) > len(at):
            rows = np.stack([np.interp(frames, at, c) for c in rows.T], axis=1)
        still = take.name.startswith("still_")
        truth = np.broadcast_to(rows.mean(0), rows.shape) if still else smooth(rows, take.fps)
        out.append(Track(take.name, take.fps, frames / take.fps, rows, truth))
    return out


TRUTH_HZ = {"turn": 5.0, "shift": 5.0, "brows": 5.0, "lids": 40.0, "eyes": 6.0, "jaw": 8.0, "mouth": 8.0,
            "cheeks": 5.0, "learned": 5.0, "gaze": 9.0}  # fmt: skip
"""Cutoff of the zero-phase low-pass that makes the truth; lids are left as tracked at the clips' 24 to 30 Hz."""


@dataclass(frozen=True, eq=False)
class Split:
    """Tracks of people to learn from, of held-out people, and of still faces for either."""

    train: list[Track]
    test: list[Track]
    still_train: list[Track]
    still_test: list[Track]


def split(takes: Sequence[Take]) -> Split:
    """Sort takes into those to learn from and those to judge by; every third still face judges."""
    out = Split([], [], [], [])
    for take in takes:
        tracks = tracks_of(take)
        if take.name.startswith("still_"):
            (out.still_test if int(take.name.rsplit("_", 1)[1]) % 3 == 0 else out.still_train).extend(tracks)
        else:
            (out.test if take.name in HELD_OUT else out.train).extend(tracks)
    return out


def smooth(rows: F64, fps: float) -> F64:
    """Low-pass rows (T, N_ROW) without delay: a fourth-order Butterworth magnitude, mirrored at the ends."""
    n = len(rows)
    pad = min(n - 1, round(fps))
    line = np.concatenate([2 * rows[:1] - rows[pad:0:-1], rows, 2 * rows[-1:] - rows[-2 : -pad - 2 : -1]])
    f = np.fft.rfftfreq(len(line), 1 / fps)[:, None]
    cut = np.empty(rows.shape[1])
    for name, columns in REGIONS.items():
        cut[list(columns)] = TRUTH_HZ[name]
    out = np.fft.irfft(np.fft.rfft(line, axis=0) / (1 + (f / cut) ** 4), len(line), axis=0)[pad : pad + n]
    out[:, list(LID_COLUMNS)] = rows[:, list(LID_COLUMNS)]
    return np.asarray(out)


def sample(t: F64, rows: F64, at: F64) -> F64:
    """Read rows (T, D) at times `at` (M,) by Catmull-Rom splines; beyond the ends the end is held."""
    k = np.clip(np.searchsorted(t, at, side="right") - 1, 0, len(t) - 2)
    u = np.clip((at - t[k]) / (t[k + 1] - t[k]), 0.0, 1.0)[:, None]
    p0, p1, p2, p3 = (rows[np.clip(k + i, 0, len(t) - 1)] for i in (-1, 0, 1, 2))
    return np.asarray(p1 + 0.5 * u * (p2 - p0 + u * (2 * p0 - 5 * p1 + 4 * p2 - p3 + u * (3 * (p1 - p2) + p3 - p0))))


def blinks(track: Track) -> list[tuple[int, int]]:
    """First and last frame of every blink: closure of both eyes rises above 0.5 and falls again within 0.6 s."""
    c = track.rows[:, list(LID_COLUMNS)].mean(1)
    out = []
    i = 1
    while i < len(c) - 1:
        if c[i] > 0.5 and c[i - 1] <= 0.5:
            j = i
            while j < len(c) - 1 and c[j] > 0.5:
                j += 1
            a, b = i, j
            while a > 0 and c[a - 1] < c[a]:
                a -= 1
            while b < len(c) - 1 and c[b + 1] < c[b]:
                b += 1
            if (track.t[b] - track.t[a]) < 0.6 and c[a] < 0.35 and c[b] < 0.45 and track.t[a] > track.t[0] + 0.3:
                out.append((a, b))
            i = j
        i += 1
    return out
