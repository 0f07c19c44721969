"""Voices to mouths: synthetic vowels of many speakers, noise, silence, and espeak-ng where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from models.face import UNIT, UNITS
from models.training.synthetic_voice import RATE, VOWELS, Speaker, sound
from models.voice import CLASSES, Voice, band_matrix, features, shape_matrix

JAW, PUCKER, STRETCH, FUNNEL = (UNIT[n] for n in ("jawOpen", "mouthPucker", "mouthStretchLeft", "mouthFunnel"))
SPEAKERS = {"man": Speaker(105, 1.0), "woman": Speaker(210, 1.15), "child": Speaker(290, 1.28),
            "far away": Speaker(130, 1.05, tilt_db=-3.0, noise_db=-18.0)}  # fmt: skip


def course(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Units every ten milliseconds, (T, 52)."""
    voice, hop = Voice(rate), rate // 100
    rows = []
    for at in range(0, len(samples) - hop, hop):
        voice.feed(samples[at : at + hop].astype(np.float32))
        rows.append(voice.units.copy())
    return np.array(rows)


def quiet(seconds: float, level: float = 1e-4, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).normal(size=int(RATE * seconds))


def mouth(kind: str, speaker: Speaker) -> np.ndarray:
    """Mean units in the second half of a sound between two silences."""
    rng = np.random.default_rng(3)
    room = 0.1 * 10 ** (speaker.noise_db / 20)
    samples = np.concatenate([quiet(0.6, room), sound(kind, 0.4, speaker, rng), quiet(0.4, room)])
    units = course(samples)
    assert units[:55].max() < 0.02
    assert units[-5:].max() < 0.02  # silence closes
    return np.asarray(units[80:98].mean(0))


@pytest.mark.parametrize("name", SPEAKERS)
def test_vowels_shape_the_mouth_of_any_speaker(name: str) -> None:
    shapes = {kind: mouth(kind, SPEAKERS[name]) for kind in VOWELS}
    jaws = {kind: float(units[JAW]) for kind, units in shapes.items()}
    assert max(jaws, key=jaws.__getitem__) == "a"
    assert jaws["a"] > 0.3
    assert jaws["a"] > jaws["o"] > jaws["u"]
    assert jaws["e"] > jaws["i"]
    for unit, kind in ((PUCKER, "u"), (STRETCH, "i"), (FUNNEL, "o")):
        values = {k: float(units[unit]) for k, units in shapes.items()}
        assert max(values, key=values.__getitem__) == kind, UNITS[unit]


def test_lips_close_for_a_hum_and_open_little_for_a_fricative() -> None:
    assert mouth("m", SPEAKERS["man"])[JAW] < 0.12
    assert mouth("s", SPEAKERS["man"])[JAW] < 0.12
    assert mouth("s", SPEAKERS["man"])[STRETCH] > 0.1


def test_quieter_speech_opens_less_but_every_microphone_opens() -> None:
    rng = np.random.default_rng(0)
    loud, soft = (sound("a", 0.4, SPEAKERS["man"], rng, level=level) for level in (0.2, 0.02))
    units = course(np.concatenate([quiet(0.5), loud, quiet(0.3), soft, quiet(0.3)]))
    assert units[120:160, JAW].max() < 0.6 * units[50:90, JAW].max()
    low = [sound(k, 0.4, SPEAKERS["man"], rng, level=0.008) for k in ("a", "o") * 12]
    assert course(np.concatenate([quiet(0.5, 1e-5), *low]))[-60:, JAW].max() > 0.25  # the level is learned


@pytest.mark.parametrize("hum_hz", [0.0, 100.0, 400.0])
def test_a_steady_noise_is_learned_and_speech_still_heard(hum_hz: float) -> None:
    t = np.arange(RATE * 20) / RATE
    noise = 0.01 * np.random.default_rng(1).normal(size=len(t)) + 0.02 * np.sin(2 * np.pi * hum_hz * t)
    noise[9 * RATE : int(9.4 * RATE)] += sound("a", 0.4, SPEAKERS["woman"], np.random.default_rng(2))
    units = course(noise)
    assert units[600:890].max() < 0.05
    assert units[910:935, JAW].mean() > 0.2
    assert units[1000:].max() < 0.05


def test_latency_from_voice_to_lips() -> None:
    units = course(np.concatenate([quiet(0.5), sound("a", 0.3, SPEAKERS["man"], np.random.default_rng(0)), quiet(0.3)]))
    half = units[50:, JAW].max() / 2
    assert int(np.argmax(units[:, JAW] > half)) * 10 - 500 <= 60  # ms, window included
    closing = 80 + int(np.argmax(units[80:, JAW] < half))
    assert closing * 10 - 800 <= 80


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_rate_of_the_microphone_does_not_matter(rate: int) -> None:
    rng = np.random.default_rng(0)
    samples = np.concatenate([quiet(0.5), sound("a", 0.4, SPEAKERS["man"], rng)])
    t = np.arange(int(len(samples) / RATE * rate)) / rate
    units = course(np.interp(t, np.arange(len(samples)) / RATE, samples), rate)
    assert units[70:85, JAW].mean() > 0.3


def test_pieces_of_any_length_give_the_same_course() -> None:
    samples = np.concatenate([quiet(0.3), sound("o", 0.3, SPEAKERS["man"], np.random.default_rng(0))]).astype(
        np.float32
    )
    whole, parts, at = Voice(RATE), Voice(RATE), 0
    whole.feed(samples)
    rng = np.random.default_rng(1)
    while at < len(samples):
        step = int(rng.integers(1, 700))
        parts.feed(samples[at : at + step])
        at += step
    assert np.allclose(whole.units, parts.units, atol=1e-6)


def test_anything_gives_units_in_range() -> None:
    rng = np.random.default_rng(0)
    for samples in (np.zeros(8000), rng.normal(size=8000) * 10, np.ones(8000), np.tile([1.0, -1.0], 4000)):
        units = course(samples)
        assert np.isfinite(units).all()
        assert units.min() >= 0
        assert units.max() <= 1
    with pytest.raises(ValueError, match="16000"):
        Voice(8000)


def test_tables() -> None:
    shapes = shape_matrix()
    assert shapes.shape == (len(CLASSES), len(UNITS))
    moved = {UNITS[i] for i in np.flatnonzero(shapes.max(0))}
    assert all(name.startswith(("jaw", "mouth")) for name in moved)
    bands = band_matrix(RATE, 480)
    assert (bands.sum(1) > 0).all()
    assert np.allclose(features(bands.sum(1)), features(100 * bands.sum(1)), atol=1e-5)  # loudness does not matter


def spoken(text: str, voice: str, folder: Path) -> tuple[np.ndarray, int]:
    path = folder / "speech.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "-w", str(path), text], check=True, capture_output=True)
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    pause = 1e-4 * np.random.default_rng(0).normal(size=rate // 2)
    return np.concatenate([pause, samples, pause]), rate


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed (apt install espeak-ng)")
@pytest.mark.parametrize("voice", ["en-us", "en-us+f2", "en-us+f4", "de"])
def test_a_speaker_it_was_not_trained_on(voice: str, tmp_path: Path) -> None:
    means = {}
    for kind, phonemes in (
        ("a", "[[A:A:]]"),
        ("i", "[[i:i:]]"),
        ("u", "[[u:u:]]"),
        ("o", "[[o:o:]]"),
        ("s", "[[s:s:]]"),
    ):
        units = course(*spoken(phonemes, voice, tmp_path))
        assert units[-3:].max() < 0.02
        active = units.sum(1) > 0.3 * units.sum(1).max()
        means[kind] = units[active].mean(0)
    assert max(means, key=lambda k: means[k][JAW]) == "a"
    assert max(means, key=lambda k: means[k][PUCKER]) == "u"
    assert max(means, key=lambda k: means[k][STRETCH]) == "i"
    assert max(means, key=lambda k: means[k][FUNNEL]) == "o"
    assert means["s"][JAW] < 0.12
