"""What is measured on a predictor: error, jitter, lag, overshoot at stops, and what becomes of a blink.

A run of a predictor over a track gives, for each horizon h, the rows it expected h after every frame; they are compared
with the zero-phase smoothed truth (and with the raw tracking) at that later instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.dynamics_baselines import Filter
from models import rotation
from models.dynamics_space import KEPT_UNITS, LID_COLUMNS, N_ROW, REGIONS, column
from models.face import F64, N_UNITS
from models.landmarks import BLENDSHAPE_LANDMARKS
from models.morphable import IOD_MM, N_MESH, load_morphable
from models.motion import N_EXPRESSION
from models.trajectories import Track, blinks, sample

HORIZONS_MS = (0, 33, 66, 100, 150)
LIVE_MS = 66  # the horizon of jitter, lag and overshoot
_SETTLE_S = 0.5  # the start of a track, when nobody knows the face yet
_SHIFT_MS = np.arange(-60.0, 200.0, 2.0)
Make = Callable[[], Filter]


@dataclass(frozen=True, eq=False)
class Run:
    """Predictions of one method on one track."""

    track: Track
    rows: F64  # (H, T, N) or, while tuning, (H, T, P, N)
    horizons_ms: tuple[int, ...]

    def at(self, horizon_ms: int) -> F64:
        """Predictions for one horizon, (T, N)."""
        out: F64 = self.rows[self.horizons_ms.index(horizon_ms)]
        return out

    def kept(self, horizon_ms: int) -> npt.NDArray[np.int64]:
        """Which frames count: after settling, and with a truth at the later instant."""
        t = self.track.t
        return np.flatnonzero((t > t[0] + _SETTLE_S) & (t + horizon_ms / 1e3 <= t[-1]))


def run(make: Make, track: Track, horizons_ms: tuple[int, ...] = HORIZONS_MS, every: bool = False) -> Run:
    """Run a fresh filter over a track; `every` keeps all candidates instead of the first."""
    method, out = make(), []
    for t, x in zip(track.t, track.rows, strict=True):
        method.observe(x, float(t))
        seen = [np.asarray(method.predict(h / 1e3)) for h in horizons_ms]
        out.append([s if every else s.reshape(-1, s.shape[-1])[0] for s in seen])
    return Run(track, np.swapaxes(np.array(out), 0, 1), horizons_ms)


def motion_scale(tracks: list[Track]) -> F64:
    """RMS change of each region's truth within 100 ms, (R,): the unit that regions are weighed in."""
    moved = [sample(k.t, k.truth, k.t + 0.1) - k.truth for k in tracks]
    return np.array([np.sqrt(np.mean([np.mean(m[:, list(c)] ** 2) for m in moved])) for c in REGIONS.values()])


def errors(runs: list[Run], horizon_ms: int, against: str = "truth") -> F64:
    """RMSE of each region, (R,), or (R, P) of tuning runs; frames of all tracks count alike."""
    total, n = 0.0, 0
    for r in runs:
        k = r.kept(horizon_ms)
        track = r.track
        want = sample(track.t, track.truth, track.t[k] + horizon_ms / 1e3)
        if against == "raw":
            want = np.stack([np.interp(track.t[k] + horizon_ms / 1e3, track.t, c) for c in track.rows.T], axis=1)
        got = r.at(horizon_ms)[k]
        e = (got - (want[:, None] if got.ndim == 3 else want)) ** 2
        total = total + e.sum(0)
        n += len(k)
    return np.array([np.sqrt(np.mean(np.asarray(total)[..., list(c)], axis=-1) / n) for c in REGIONS.values()])


def overall(by_region: F64, scale: F64) -> float:
    """One number: root mean square over the regions, each in units of its motion within 100 ms."""
    return float(np.sqrt(np.mean((by_region / scale) ** 2)))


def jitter(runs: list[Run], horizon_ms: int) -> F64:
    """RMS change from frame to frame of each region on a still face, (R,)."""
    steps = [np.diff(r.at(horizon_ms)[r.kept(horizon_ms)], axis=0) for r in runs]
    return np.array([np.sqrt(np.mean([np.mean(s[:, list(c)] ** 2) for s in steps])) for c in REGIONS.values()])


def lags_ms(runs: list[Run], horizon_ms: int) -> F64:
    """Shift of each region's prediction against the truth with the highest correlation, (R,) ms; positive is late."""
    fit = np.zeros((len(REGIONS), len(_SHIFT_MS)))
    for r in runs:
        k = r.kept(horizon_ms)
        t = r.track.t
        k = k[(t[k] + horizon_ms / 1e3 > t[0] + 0.7) & (t[k] + horizon_ms / 1e3 < t[-1] - 0.1)]
        if len(k) < 20:
            continue
        got = r.at(horizon_ms)[k]
        got = got - got.mean(0)
        for j, shift in enumerate(_SHIFT_MS):
            want = sample(t, r.track.truth, t[k] + (horizon_ms - shift) / 1e3)
            want = want - want.mean(0)
            top = (got * want).sum(0)
            cos = top / np.sqrt((got**2).sum(0) * (want**2).sum(0) + 1e-18)
            fit[:, j] += [np.sum((cos * np.sqrt((want**2).mean(0)))[list(c)]) for c in REGIONS.values()]
    return np.asarray(_SHIFT_MS[np.argmax(fit, axis=1)])


def overshoot(runs: list[Run], horizon_ms: int) -> dict[str, float]:
    """How far predictions run beyond the face where it stops, over the motion before: mean and p95 of all stops."""
    found = []
    limits = {0: 0.35, 1: 0.35, column("jawOpen"): 1.2}  # rad/s, units/s
    for r in runs:
        t, truth = r.track.t, r.track.truth
        v = np.gradient(truth, t, axis=0)
        frame = float(np.median(np.diff(t)))
        n = round(0.2 / frame)
        for c, fast in limits.items():
            for i in range(n, len(t) - n - round(0.15 / frame)):
                before, after = v[i - n : i, c], v[i : i + n, c]
                peak = before[np.argmax(np.abs(before))]
                if abs(peak) < fast or np.abs(after).max() > 0.25 * abs(peak) or abs(v[i - 1, c]) <= 0.25 * abs(peak):
                    continue
                moved = abs(truth[i, c] - truth[i - n, c])
                if moved < 0.05 * fast:
                    continue
                j = np.arange(i - round(horizon_ms / 1e3 / frame), i + n)
                j = j[j >= 0]
                want = sample(t, truth[:, [c]], t[j] + horizon_ms / 1e3)[:, 0]
                over = np.sign(peak) * (r.at(horizon_ms)[j, c] - want)
                late = t[j] + horizon_ms / 1e3 >= t[i]
                found.append(max(0.0, float(over[late].max())) / moved)
    a = np.array(found) if found else np.zeros(1)
    return {"stops": len(found), "mean": float(a.mean()), "p95": float(np.percentile(a, 95))}


def blink_fidelity(runs: list[Run], horizon_ms: int) -> dict[str, float]:
    """Median share of the closure that is shown, its 10th percentile, and how many frames late the lids are half shut.

    Counted on the frames themselves: the picture that is made for a frame, whatever instant it is made for.
    """
    kept, late = [], []
    for r in runs:
        raw = r.track.rows[:, list(LID_COLUMNS)].mean(1)
        got = r.at(horizon_ms)[:, list(LID_COLUMNS)].mean(1)
        for a, b in blinks(r.track):
            base = raw[a]
            peak = raw[a : b + 1].max() - base
            shown = got[a : min(b + 5, len(got))]
            kept.append((shown.max() - base) / peak)
            half = base + 0.5 * peak
            first = np.flatnonzero(raw[a : b + 1] > half)[0]
            mine = np.flatnonzero(shown > half)
            late.append(float(mine[0] - first) if len(mine) else 9.0)
    if not kept:
        return {"blinks": 0}
    share = np.array(kept)
    return {"blinks": len(share), "kept_median": float(np.median(share)), "kept_p10": float(np.percentile(share, 10)),
            "late_frames_median": float(np.median(late)), "late_frames_max": float(np.max(late))}  # fmt: skip


class Picture:
    """Rows to what is seen of them: landmarks of the mean head, in percent of the outer eye corners' distance."""

    def __init__(self) -> None:
        model = load_morphable()
        ids = BLENDSHAPE_LANDMARKS[BLENDSHAPE_LANDMARKS < N_MESH]
        self._head = np.asarray(model.mean, np.float64)[ids]
        offsets = np.array([model.offsets(e)[ids] for e in np.eye(N_EXPRESSION, dtype=np.float32)])
        offsets = offsets.reshape(N_EXPRESSION, -1)
        self._fields = np.zeros((N_ROW, offsets.shape[1]))
        self._fields[6 : 6 + len(KEPT_UNITS)] = offsets[list(KEPT_UNITS)]
        self._fields[6 + len(KEPT_UNITS) : -4] = offsets[N_UNITS:]

    def error2(self, want: F64, got: F64) -> F64:
        """Mean squared distance of the landmarks, (T,), percent of the eye distance squared; rows (T, N_ROW) each."""
        faces = [self._landmarks(x, want) for x in (want, got)]
        return np.asarray(((faces[0] - faces[1]) ** 2).sum(-1).mean(-1)) * (100 / IOD_MM) ** 2

    def _landmarks(self, rows: F64, near: F64) -> F64:
        """Image positions in mm at the depth of `near`, (T, L, 2)."""
        x = np.clip(rows, -6, 6) @ self._fields
        head = self._head + x.reshape(len(rows), -1, 3)
        turns = np.array([rotation.matrix(rotation.exp(r)) for r in rows[:, :3]])
        seen = np.einsum("tij,tlj->tli", turns[:, :2], head) + rows[:, None, 3:5]
        return np.asarray(seen * (near[:, 5] / rows[:, 5])[:, None, None])


def seen_errors(picture: Picture, runs: list[Run], horizon_ms: int) -> float:
    """RMSE of what is seen, percent of the eye distance: every landmark of every frame counts alike."""
    total, n = 0.0, 0
    for r in runs:
        k = r.kept(horizon_ms)
        want = sample(r.track.t, r.track.truth, r.track.t[k] + horizon_ms / 1e3)
        total += float(picture.error2(want, r.at(horizon_ms)[k]).sum())
        n += len(k)
    return float(np.sqrt(total / n))


def seen_jitter(picture: Picture, runs: list[Run], horizon_ms: int) -> tuple[float, float]:
    """On still faces: RMS change from frame to frame and RMS distance from the mean face, percent of eye distance."""
    steps, off = [], []
    for r in runs:
        x = r.at(horizon_ms)[r.kept(horizon_ms)]
        steps.append(picture.error2(x[:-1], x[1:]).mean())
        off.append(picture.error2(np.broadcast_to(x.mean(0), x.shape), x).mean())
    return float(np.sqrt(np.mean(steps))), float(np.sqrt(np.mean(off)))
