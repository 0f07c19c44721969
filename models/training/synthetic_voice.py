"""Voices made of a source and a filter (Fant 1960): vowels, fricatives and hums of many imagined speakers.

Formants of the vowels: averages of men after Peterson and Barney, JASA 24 (1952), spread by the length of the vocal
tract, jitter and the room. Used to train and to test `models/voice.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.face import F32, F64

RATE = 16_000
VOWELS: dict[str, tuple[float, float, float]] = {
    "a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010),
    "o": (490, 850, 2410), "u": (300, 800, 2240),
}  # fmt: skip
_OPEN_E = (660, 1720, 2410)
_FRONT_U = (330, 1550, 2250)  # as in today's English "food"
_BANDWIDTHS = (70.0, 90.0, 140.0, 220.0, 300.0)


@dataclass(frozen=True)
class Speaker:
    """One imagined speaker in one room."""

    pitch_hz: float = 120.0
    tract: float = 1.0  # formants are this much higher than a man's
    breath: float = 0.01  # noise in the source
    tilt_db: float = 0.0  # of the channel, an octave
    noise_db: float = -60.0  # of the room, against the voice

    @staticmethod
    def random(rng: np.random.Generator) -> Speaker:
        """Return anybody from a deep man to a small child, on any microphone."""
        tract = rng.uniform(0.92, 1.32)
        pitch = 110.0 * (tract / 1.0) ** 2.8 * rng.uniform(0.75, 1.35)
        return Speaker(pitch, tract, float(10 ** rng.uniform(-2.5, -1.0)), rng.uniform(-3.5, 3.5), rng.uniform(-60, -8))


def _resonate(x: F64, hz: float, bandwidth: float) -> F64:
    """A two-pole resonator of unit gain at 0 Hz (Klatt 1980)."""
    r = np.exp(-np.pi * bandwidth / RATE)
    b, c = 2 * r * np.cos(2 * np.pi * hz / RATE), -r * r
    return _filter(x, 1.0 - b - c, b, c)


def _filter(x: F64, a: float, b: float, c: float) -> F64:
    """y[n] = a x[n] + b y[n-1] + c y[n-2], in the frequency domain: x is followed by silence here."""
    n = 1 << (2 * len(x) - 1).bit_length()
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(n))
    return np.fft.irfft(np.fft.rfft(x, n) * a / (1.0 - b * z - c * z * z), n)[: len(x)]


def _source(speaker: Speaker, count: int, rng: np.random.Generator) -> F64:
    """Glottal pulses that wander a little, and breath."""
    x = np.zeros(count + 64)
    at = rng.uniform(0, RATE / speaker.pitch_hz)
    drift = rng.uniform(-0.15, 0.15)
    while at < count:
        x[int(at)] += 1.0 + 0.05 * rng.normal()
        pitch = speaker.pitch_hz * (1.0 + drift * at / count) * (1.0 + 0.01 * rng.normal())
        at += RATE / max(pitch, 50.0)
    x = _resonate(_resonate(x, 0.0, 180.0), 0.0, 1800.0)[:count]
    x /= max(float(np.abs(x).max()), 1e-9)
    return np.asarray(x + speaker.breath * rng.normal(size=count))


def _room(x: F64, speaker: Speaker, level: float, rng: np.random.Generator) -> F32:
    """The microphone's tilt, a loudness and the room's noise."""
    spectrum = np.fft.rfft(x)
    hz = np.maximum(np.fft.rfftfreq(len(x), 1 / RATE), 50.0)
    x = np.fft.irfft(spectrum * 10 ** (speaker.tilt_db * np.log2(hz / 1000.0) / 20.0), len(x))
    x *= level / max(float(np.sqrt(np.mean(x * x))), 1e-9)
    return (x + level * 10 ** (speaker.noise_db / 20.0) * rng.normal(size=len(x))).astype(np.float32)


def sound(kind: str, seconds: float, speaker: Speaker, rng: np.random.Generator, level: float = 0.1,
          spread: float = 0.0) -> F32:  # fmt: skip
    """Return a sound (N,) at 16 kHz: a vowel of `VOWELS`, "s" (a fricative) or "m" (a hum through closed lips)."""
    count = int(seconds * RATE)
    if kind == "s":
        hz = speaker.tract * rng.uniform(2600, 5800)
        x = _resonate(np.diff(rng.normal(size=count + 1)), min(hz, 7200.0), rng.uniform(600, 2500))
        if rng.random() < 0.3:
            x = x / np.abs(x).max() + 0.3 * rng.random() * _source(speaker, count, rng)
        return _room(np.asarray(x), speaker, level, rng)
    if kind == "m":
        formants: tuple[float, ...] = (260.0, 1050.0, 2200.0)
        widths: tuple[float, ...] = (60.0, 300.0, 400.0)
        x = _source(speaker, count, rng)
        k = rng.uniform(0.03, 0.3) if spread else 0.15  # what the nose lets through above its first resonance
        x = np.asarray(k * x + _resonate(x, 250.0, 80.0))
    else:
        first, second, third = VOWELS[kind]
        wide = {"e": _OPEN_E, "u": _FRONT_U}.get(kind)
        if wide is not None and spread > 0:
            k = rng.random()
            first, second, third = (p + k * (q - p) for p, q in zip(VOWELS[kind], wide, strict=True))
        formants, widths = (first, second, third, 3500.0, 4500.0), _BANDWIDTHS
        x = _source(speaker, count, rng)
    for hz, width in zip(formants, widths, strict=True):
        hz = hz * speaker.tract * (1.0 + spread * rng.normal())
        if hz < 7600.0:
            x = _resonate(x, hz, width * rng.uniform(0.8, 1.5) if spread else width)
    return _room(np.diff(x, prepend=0.0), speaker, level, rng)
