"""Imagined motion: a seeded, endless sequence in the style of real people, a pure function of time.

A motion graph (Kovar, Gleicher, Pighin 2002) over real trajectories of several people: segments of two to five seconds
follow each other where their states match, and what does not match decays like a critically damped spring.
Everything shown was once done by someone, so nothing drifts out of range. Blinks come on top: a renewal process with
measured gaps and measured curves. Time is cut into minutes whose contents come from (seed, style, minute), so any
instant can be asked for in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from models import lids, rotation
from models.dynamics_space import GAZE_COLUMNS, LID_COLUMNS, N_ROW, REGIONS, face
from models.face import F64, FaceParams
from models.imagine_store import FPS, Store, load_store

Style = Literal["talking", "listening", "idle"]
STYLES: tuple[Style, ...] = ("talking", "listening", "idle")
_BLOCK_S = 60.0
_SHORTEST_S, _LONGEST_S = 2.0, 4.8  # of a segment
_TEMPO = (0.93, 1.07)
_FADE_S = 1.9  # what did not match is gone by then
_RECENT = 10  # segments that are not shown again so soon
_CHOICES = 12  # best matches to choose among
_SAME_PERSON = 0.35  # of its distance counts, when a segment is of the person shown before
_MATCH_S = 0.12  # a speed difference counts as the distance it covers within this time
_RATE = {"talking": 1.15, "listening": 0.9, "idle": 0.8}  # blinks against the measured mean
_SETTLE_HZ = {"turn": 4.5, "shift": 3.5, "gaze": 40.0, "lids": 14.0, "eyes": 14.0}  # spring rates, 1/s
_OMEGA = np.empty(N_ROW)
for _name, _columns in REGIONS.items():
    _OMEGA[list(_columns)] = _SETTLE_HZ.get(_name, 11.0)
del _name, _columns


@dataclass(frozen=True, eq=False)
class Start:
    """Where a sequence that already runs has got to."""

    row: F64  # (N_ROW,) about the person's rest
    speed: F64  # (N_ROW,) 1/s


@dataclass(frozen=True, eq=False)
class _Segment:
    """A stretch of a real trajectory."""

    begin_s: float
    frame: float  # where it starts in the store
    rate: float  # frames a second
    gap: F64  # (N_ROW,) what was shown before minus what it starts with
    gap_speed: F64  # (N_ROW,) 1/s


class Imagine:
    """Motion of a person who talks, listens or just sits; relative to `motion.neutral_params()`."""

    def __init__(self, seed: int = 0, style: Style = "talking", start: Start | None = None) -> None:
        if style not in STYLES:
            raise ValueError(f"style: expected one of {', '.join(STYLES)}, got {style!r}")
        self._store = load_store()
        self._seed, self._style, self._start = seed, style, start
        self._minute = lru_cache(4)(self._plan)
        self._blinks = lru_cache(4)(self._plan_blinks)

    def params_at(self, t_ns: int) -> FaceParams:
        """Return the params at an instant, ns (>= 0)."""
        t = max(t_ns, 0) * 1e-9
        row = self._row(t)
        closed = 0.5 * float(row[LID_COLUMNS[0]] + row[LID_COLUMNS[1]])
        shut, depth = self._blink(t)
        row[list(LID_COLUMNS)] = closed + shut * (depth - closed)
        row[list(GAZE_COLUMNS)] = np.clip(row[list(GAZE_COLUMNS)], -0.6, 0.6)
        return face(row, rotation.exp(row[:3]))

    def _row(self, t: float) -> F64:
        block = int(t // _BLOCK_S)
        segments = self._minute(block)
        k = int(np.searchsorted([s.begin_s for s in segments], t, side="right")) - 1
        return _value(self._store, segments[max(k, 0)], t)[0]

    def _rng(self, kind: int, block: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, STYLES.index(self._style), kind, block])

    def _plan(self, block: int) -> list[_Segment]:
        """The segments of one minute; the first one eases out of the minute before."""
        chain = self._chain(block)
        out: list[_Segment] = []
        before: tuple[F64, F64] | None = None
        if block > 0:
            begin, frame, rate = self._chain(block - 1)[-1]
            before = _value(self._store, _Segment(begin, frame, rate, _ZERO, _ZERO), block * _BLOCK_S)
        elif self._start is not None:
            before = self._start.row, self._start.speed
        for begin, frame, rate in chain:
            if out:
                before = _value(self._store, out[-1], begin)
            bare = _Segment(begin, frame, rate, _ZERO, _ZERO)
            now, speed = _value(self._store, bare, begin)
            gap = (before[0] - now, before[1] - speed) if before is not None else (_ZERO, _ZERO)
            out.append(_Segment(begin, frame, rate, *gap))
        return out

    def _chain(self, block: int) -> list[tuple[float, float, float]]:
        """Begin, first frame and frame rate of the segments of one minute; needs no other minute."""
        store, rng = self._store, self._rng(0, block)
        lengths: list[float] = []
        while (left := _BLOCK_S - sum(lengths)) > 1e-9:
            length = float(rng.uniform(_SHORTEST_S, _LONGEST_S))
            lengths.append(length if left - length > _SHORTEST_S else left if left < _LONGEST_S else left / 2)
        out: list[tuple[float, float, float]] = []
        used: list[int] = []
        begin = block * _BLOCK_S
        for length in lengths:
            rate = FPS * float(rng.uniform(*_TEMPO))
            fits = store.fits(STYLES.index(self._style), length * rate)
            recent = store.node[used[-_RECENT:]]
            fresh = fits[(np.abs(store.node[fits][:, None] - recent) > 45).all(1)]
            fits = fresh if len(fresh) >= _CHOICES else fits
            if out:
                state = store.state(out[-1][1] + (begin - out[-1][0]) * out[-1][2], _MATCH_S)
            elif block == 0 and self._start is not None:
                state = store.state_of(self._start.row, self._start.speed, _MATCH_S)
            else:
                state = np.zeros(store.states.shape[1], np.float32)
            far = ((store.states[fits] - state) ** 2).sum(1)
            if out:
                far *= np.where(store.person[fits] == store.person[used[-1]], _SAME_PERSON, 1.0)
            best = np.argsort(far)[: _CHOICES if out or self._start is not None else 5 * _CHOICES]
            pick = int(fits[best[int(rng.integers(len(best)))]])
            used.append(pick)
            out.append((begin, float(store.node[pick]), rate))
            begin += length
        return out

    def _plan_blinks(self, block: int) -> list[tuple[float, npt.NDArray[np.float64], float]]:
        """Peak time, curve and depth of the blinks of one minute."""
        rng, store = self._rng(1, block), self._store
        person = float(np.exp(np.random.default_rng([self._seed, 7]).normal(0, 0.2)))
        rate = _RATE[self._style] * person
        t = block * _BLOCK_S + 0.3 + float(rng.uniform(0, 2))
        out = []
        while t < (block + 1) * _BLOCK_S - 0.45:
            curve = store.blink[int(rng.integers(len(store.blink)))]
            out.append((t, curve, float(rng.uniform(0.93, 1.0))))
            t += max(0.35, float(rng.choice(store.gaps)) * float(rng.uniform(0.8, 1.2)) / rate)
        return out

    def _blink(self, t: float) -> tuple[float, float]:
        """How far down the lids are on their way, 0..1, and the closure that they go to."""
        most, depth = 0.0, 1.0
        store = self._store
        for peak, curve, deep in self._blinks(int(t // _BLOCK_S)):
            if store.blink_s[0] <= t - peak <= store.blink_s[-1]:
                shut = float(np.interp(t - peak, store.blink_s, curve))
                most, depth = (shut, deep) if shut > most else (most, depth)
        return most, depth


_ZERO = np.zeros(N_ROW)


def _value(store: Store, segment: _Segment, t: float) -> tuple[F64, F64]:
    """Row and speed of a segment at `t`, with what is left of the gap at its start."""
    row, speed = store.at(segment.frame + (t - segment.begin_s) * segment.rate)
    speed = speed * segment.rate
    s = t - segment.begin_s
    if s < _FADE_S and segment.gap is not _ZERO:
        u = max(s, 0.0) / _FADE_S
        fade, dfade = (1 - u * u * u * (10 - 15 * u + 6 * u * u)), -30 * u * u * (1 - u) ** 2 / _FADE_S
        e = np.exp(-_OMEGA * s)
        push = segment.gap_speed + _OMEGA * segment.gap
        spring = (segment.gap + push * s) * e
        row = row + spring * fade
        speed = speed + (push * e - _OMEGA * spring) * fade + spring * dfade
    return row, speed


def start_of(rows: F64, t: F64) -> Start:
    """Where a real sequence (rows (T, N_ROW) at times (T,) s) ends, about its own rest; lids are taken as open."""
    rest = np.median(rows, axis=0)
    for name in ("brows", "jaw", "mouth", "cheeks", "eyes"):
        rest[list(REGIONS[name])] = np.percentile(rows[:, list(REGIONS[name])], 15, axis=0)
    tail = t > t[-1] - 0.12
    mean = rows[tail].mean(0)
    a = t[tail] - t[tail].mean()
    speed = (a @ (rows[tail] - mean)) / max(float(a @ a), 1e-9) if tail.sum() > 1 else np.zeros(N_ROW)
    row = mean + speed * (t[-1] - t[tail].mean()) - rest
    row[list(LID_COLUMNS)] = speed[list(LID_COLUMNS)] = 0.0
    return Start(row, np.asarray(speed))


def blink_of(params: FaceParams) -> float:
    """Mean closure of both eyes, 1 shut."""
    return float(lids.read_units(params.expression).mean())
