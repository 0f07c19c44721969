"""A voice to mouth shapes: spectral visemes for any speaker, ten milliseconds at a time.

Sixteen band energies of a 30 ms window, with the room's noise taken off and the loudness taken out, go through a small
network (`models/data/voice.npz`, trained on synthetic voices by `models/training/build_voice.py`) that says how much of
five vowels, a fricative and closed lips it hears. Each has a shape in ARKit units; loudness against the speaker's own
level opens it, and a gate over an adaptive noise floor shuts it.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from models.face import F32, F64, N_UNITS, UNIT

HOP_S = 0.010
WINDOW_S = 0.030
BANDS = 16
CLASSES = ("a", "e", "i", "o", "u", "s", "m")
_LOW_HZ, _HIGH_HZ = 120.0, 7600.0
_SHAPES: dict[str, dict[str, float]] = {
    "a": {"jawOpen": 0.5, "mouthLowerDown": 0.25, "mouthUpperUp": 0.12},
    "e": {"jawOpen": 0.28, "mouthStretch": 0.28, "mouthSmile": 0.12, "mouthLowerDown": 0.15},
    "i": {"jawOpen": 0.14, "mouthStretch": 0.45, "mouthSmile": 0.22, "mouthLowerDown": 0.1},
    "o": {"jawOpen": 0.32, "mouthFunnel": 0.55, "mouthPucker": 0.2},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.65, "mouthFunnel": 0.25},
    "s": {"jawOpen": 0.07, "mouthStretch": 0.22, "mouthUpperUp": 0.12, "mouthLowerDown": 0.18},
    "m": {"mouthPress": 0.2, "mouthRollLower": 0.15, "mouthClose": 0.05},
}
_LOUDEST_ROOM_DB, _QUIETEST_DB = -34.0, -58.0  # what is louder at the start is a voice already
_OPEN_DB, _SHUT_DB = 9.0, 6.0  # above the floor
_FLOOR_RISE_DB = 3.0 * HOP_S  # a second of steady sound lifts the floor by so much: a fan is learned, a word is not
_LEVEL_FALL_DB = 2.0 * HOP_S
_LEVEL_START_DB = -30.0
_OPENING_DB = 24.0  # below the speaker's loud level the mouth hardly opens
_ATTACK_S, _RELEASE_S = 0.018, 0.050


def shape_matrix() -> F32:
    """Return the units of each class, (7, 52)."""
    rows = np.zeros((len(CLASSES), N_UNITS), np.float32)
    for i, name in enumerate(CLASSES):
        for unit, value in _SHAPES[name].items():
            for key in (unit,) if unit in UNIT else (f"{unit}Left", f"{unit}Right"):
                rows[i, UNIT[key]] = value
    return rows


@lru_cache(4)
def band_matrix(rate: int, size: int) -> F32:
    """Return triangular bands, equally spaced in mel, over an FFT of `size` samples, (BANDS, size // 2 + 1)."""

    def mel(hz: Any) -> F64:
        return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))

    edges = np.linspace(mel(_LOW_HZ), mel(_HIGH_HZ), BANDS + 2)
    at = mel(np.fft.rfftfreq(size, 1.0 / rate))
    rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0.0, None).astype(np.float32)


def features(power: F32 | F64) -> F32:
    """Band powers (..., BANDS) to what the network sees: logarithms without their mean, in units of 10 dB."""
    logs = np.log10(np.maximum(power, 1e-12))
    logs = np.maximum(logs, logs.max(-1, keepdims=True) - 3.2)  # what lies 32 dB below is the room
    return np.asarray(logs - logs.mean(-1, keepdims=True), np.float32)


class Network:
    """Two layers: bands to class probabilities."""

    def __init__(self, path: Path | None = None) -> None:
        with np.load(path or Path(__file__).parent / "data" / "voice.npz") as z:
            self._w1, self._b1, self._w2, self._b2 = (z[k] for k in ("w1", "b1", "w2", "b2"))

    def probabilities(self, x: F32) -> F32:
        """Return (..., 7) for features (..., BANDS)."""
        out = np.tanh(x @ self._w1 + self._b1) @ self._w2 + self._b2
        out = np.exp(out - out.max(-1, keepdims=True))
        return np.asarray(out / out.sum(-1, keepdims=True), np.float32)


class Voice:
    """Follows one microphone: `feed` it samples in order, read `units`."""

    def __init__(self, rate: int = 48_000) -> None:
        if rate < 16_000:
            raise ValueError(f"rate: the shapes need at least 16000 samples a second, got {rate}")
        self._hop, self._size = round(rate * HOP_S), round(rate * WINDOW_S)
        self._window = np.hanning(self._size).astype(np.float32)
        self._bands = band_matrix(rate, self._size)
        self._scale = 2.0 / float((self._window**2).sum())
        self._network = Network()
        self._waiting: F32 = np.zeros(0, np.float32)
        self._floor: F64 | None = None  # noise power of each band
        self._floor_db, self._level_db = _LOUDEST_ROOM_DB, _LEVEL_START_DB
        self._open = False
        self.units: F32 = np.zeros(N_UNITS, np.float32)

    @property
    def speaking(self) -> bool:
        """Whether the gate is open."""
        return self._open

    @cached_property
    def _shapes(self) -> F32:
        return shape_matrix()

    def feed(self, samples: F32) -> None:
        """Take the next samples (N,), full scale 1; works off every full hop."""
        data = np.concatenate([self._waiting, samples])
        at = 0
        while at + self._size <= len(data):
            self._step(data[at : at + self._size])
            at += self._hop
        self._waiting = data[at:]

    def _step(self, frame: F32) -> None:
        """One hop."""
        spectrum = np.fft.rfft(frame * self._window)
        power = self._bands @ (spectrum.real**2 + spectrum.imag**2).astype(np.float32) * self._scale
        # 120 Hz and up: a desk that is knocked or a fan that hums moves no lips.
        level_db = 10.0 * float(np.log10(max(float(power.sum()) / self._size, 1e-12)))
        rise = 10.0 ** (_FLOOR_RISE_DB / 10.0)
        self._floor = power.astype(np.float64) if self._floor is None else np.minimum(self._floor * rise, power + 1e-12)
        self._floor_db = min(self._floor_db + _FLOOR_RISE_DB, max(level_db, -90.0))
        over = level_db - self._floor_db
        self._open = level_db > _QUIETEST_DB and over > (_SHUT_DB if self._open else _OPEN_DB)
        target = np.zeros(N_UNITS, np.float32)
        if self._open:
            self._level_db = max(level_db, self._level_db - _LEVEL_FALL_DB)
            clean = np.maximum(power - 2.0 * self._floor, 0.02 * power)
            heard = self._network.probabilities(features(clean))
            strength = min(max(1.0 - (self._level_db - level_db) / _OPENING_DB, 0.0), 1.0)
            target = (heard @ self._shapes) * np.float32(strength)
        rising = target > self.units
        weight = np.where(rising, 1.0 - np.exp(-HOP_S / _ATTACK_S), 1.0 - np.exp(-HOP_S / _RELEASE_S))
        self.units += weight.astype(np.float32) * (target - self.units)
