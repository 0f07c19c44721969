"""Does imagined motion move like people: the same statistics of `imagine` and of the held-out people, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.dynamics_space import LID_COLUMNS, Development, column
from models.face import F64
from models.imagine import Imagine, Style
from models.trajectories import Track, blinks, smooth

FPS = 30.0
BANDS_HZ = ((0.2, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0))
STATISTICS = (
    "blinks_per_minute", "blink_ms", "head_speed_p50", "head_speed_p90", "yaw_range", "pitch_range", "roll_range",
    *(f"jaw_{a:g}_{b:g}_hz" for a, b in BANDS_HZ), *(f"brow_{a:g}_{b:g}_hz" for a, b in BANDS_HZ),
    "jaw_with_lower_lip", "brow_with_brow", "brow_with_pitch", "yaw_with_roll", "yaw_with_gaze", "jaw_with_pitch",
)  # fmt: skip
"""Degrees and seconds; ranges are 5th to 95th percentile; bands are shares of the power from 0.2 to 8 Hz; the rest are
correlations (0 when one of the two does not move)."""


def imagined(seed: int, style: Style, seconds: float, first_s: float = 0.0) -> Track:
    """Imagined motion as a track, 30 instants a second."""
    imagine, space = Imagine(seed, style), Development()
    t = first_s + np.arange(round(seconds * FPS)) / FPS
    rows = np.array([space.row(imagine.params_at(round(s * 1e9))) for s in t])
    return Track(f"imagine_{style}_{seed}", FPS, t, rows, smooth(rows, FPS))


def statistics(track: Track) -> dict[str, float]:
    """All `STATISTICS` of a track; NaN where a track is too short or has no blink."""
    x, t = track.truth, track.t
    turn = np.degrees(x[:, :3])
    speed = np.linalg.norm(np.gradient(turn, t, axis=0), axis=1)
    found = blinks(track)
    out = {
        "blinks_per_minute": len(found) / (t[-1] - t[0]) * 60,
        "blink_ms": float(np.median([_half_ms(track, a, b) for a, b in found])) if found else float("nan"),
        "head_speed_p50": float(np.percentile(speed, 50)), "head_speed_p90": float(np.percentile(speed, 90)),
    }  # fmt: skip
    for i, name in enumerate(("pitch", "yaw", "roll")):
        low, high = np.percentile(turn[:, i], [5, 95])
        out[f"{name}_range"] = float(high - low)
    for name, unit in (("jaw", "jawOpen"), ("brow", "browInnerUp")):
        for (a, b), share in zip(BANDS_HZ, band_shares(x[:, column(unit)], track.fps), strict=True):
            out[f"{name}_{a:g}_{b:g}_hz"] = share
    pairs = {
        "jaw_with_lower_lip": (x[:, column("jawOpen")], x[:, column("mouthLowerDownLeft")]),
        "brow_with_brow": (x[:, column("browOuterUpLeft")], x[:, column("browOuterUpRight")]),
        "brow_with_pitch": (x[:, column("browInnerUp")], x[:, 0]),
        "yaw_with_roll": (x[:, 1], x[:, 2]),
        "yaw_with_gaze": (x[:, 1], x[:, -4]),
        "jaw_with_pitch": (x[:, column("jawOpen")], x[:, 0]),
    }
    for name, (p, q) in pairs.items():
        out[name] = float(np.corrcoef(p, q)[0, 1]) if min(p.std(), q.std()) > 1e-6 else 0.0
    return {name: out[name] for name in STATISTICS}


def band_shares(x: F64, fps: float) -> list[float]:
    """Share of the power from 0.2 to 8 Hz in each of `BANDS_HZ`, of a windowed and detrended line."""
    n = len(x)
    line = x - np.polyval(np.polyfit(np.arange(n), x, 1), np.arange(n))
    power = np.abs(np.fft.rfft(line * np.hanning(n))) ** 2
    f = np.fft.rfftfreq(n, 1 / fps)
    total = power[(f >= BANDS_HZ[0][0]) & (f < BANDS_HZ[-1][1])].sum() + 1e-15
    return [float(power[(f >= a) & (f < b)].sum() / total) for a, b in BANDS_HZ]


def _half_ms(track: Track, a: int, b: int) -> float:
    """How long the lids are more than half as far down as in the blink's peak."""
    t = np.arange(track.t[a], track.t[b], 0.002)
    closed = np.interp(t, track.t[a : b + 1], track.rows[a : b + 1, list(LID_COLUMNS)].mean(1))
    return float((closed > 0.5 * closed.max()).sum() * 2.0)


def compare(people: list[Track], style: Style = "talking", seeds: int = 8, seconds: float = 30.0) -> dict[str, Any]:
    """Each statistic of `people`, of imagined stretches, and whether their median lies within the people's spread."""
    real = [statistics(k) for k in people]
    ours = [statistics(imagined(s, style, seconds, 60.0 * s)) for s in range(seeds)]
    out: dict[str, Any] = {}
    for name in STATISTICS:
        r = np.array([s[name] for s in real])
        o = np.array([s[name] for s in ours])
        r, o = r[np.isfinite(r)], o[np.isfinite(o)]
        middle = float(np.median(o))
        out[name] = {
            "people": [round(float(v), 3) for v in r], "imagined": [round(float(v), 3) for v in o],
            "within": bool(r.min() <= middle <= r.max()),
        }  # fmt: skip
    return out
