"""Train the voice network on synthetic speakers: python -m models.training.build_voice --out models/data/voice.npz."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from models.face import F32
from models.training.synthetic_voice import RATE, Speaker, sound
from models.voice import BANDS, CLASSES, HOP_S, WINDOW_S, band_matrix, features

_HIDDEN = 24


def dataset(speakers: int, seed: int) -> tuple[F32, np.ndarray]:
    """Return features (N, BANDS) and class numbers (N,) of `speakers` that say every class."""
    rng = np.random.default_rng(seed)
    size, hop = round(RATE * WINDOW_S), round(RATE * HOP_S)
    window, bands = np.hanning(size), band_matrix(RATE, size)
    x, y = [], []
    for _ in range(speakers):
        speaker = Speaker.random(rng)
        for label, kind in enumerate(CLASSES):
            wave = sound(kind, 0.12, speaker, rng, spread=0.07)
            noise = speaker.noise_db
            for at in range(hop * 2, len(wave) - size, hop * 2):
                power = bands @ np.abs(np.fft.rfft(wave[at : at + size] * window)) ** 2
                # The runtime takes a noise floor off; what it leaves behind is part of the lesson.
                floor = 0.01 * 10 ** (noise / 10) * bands.sum(1) * (window**2).sum()
                x.append(features(np.maximum(power - 2.0 * rng.uniform(0, 1) * floor, 0.02 * power)))
                y.append(label)
    return np.array(x, np.float32), np.array(y)


def train(x: F32, y: np.ndarray, steps: int = 4000, seed: int = 0) -> dict[str, F32]:
    """Fit the two layers by Adam on the cross-entropy."""
    rng = np.random.default_rng(seed)
    w = {"w1": rng.normal(size=(BANDS, _HIDDEN)) * 0.3, "b1": np.zeros(_HIDDEN),
         "w2": rng.normal(size=(_HIDDEN, len(CLASSES))) * 0.2, "b2": np.zeros(len(CLASSES))}  # fmt: skip
    m = {k: np.zeros_like(v) for k, v in w.items()}
    s = {k: np.zeros_like(v) for k, v in w.items()}
    for step in range(1, steps + 1):
        pick = rng.integers(0, len(x), 512)
        a, label = x[pick].astype(float), y[pick]
        h = np.tanh(a @ w["w1"] + w["b1"])
        p = np.exp(h @ w["w2"] + w["b2"])
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(p)), label] -= 1.0
        p /= len(p)
        back = (p @ w["w2"].T) * (1.0 - h * h)
        grads = {"w2": h.T @ p, "b2": p.sum(0), "w1": a.T @ back, "b1": back.sum(0)}
        rate = 0.01 * (1.0 - step / (steps + 1))
        for k, g in grads.items():
            g = g + 1e-4 * w[k]
            m[k] = 0.9 * m[k] + 0.1 * g
            s[k] = 0.999 * s[k] + 0.001 * g * g
            w[k] -= rate * (m[k] / (1 - 0.9**step)) / (np.sqrt(s[k] / (1 - 0.999**step)) + 1e-8)
    return {k: v.astype(np.float32) for k, v in w.items()}


def main() -> None:
    """Train, say how well it knows speakers it has not heard, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speakers", type=int, default=1200)
    options = parser.parse_args()
    x, y = dataset(options.speakers, 1)
    weights = train(x, y)
    test_x, test_y = dataset(options.speakers // 5, 2)
    scores = np.tanh(test_x @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]
    guess = scores.argmax(1)
    lines = [f"{len(x)} windows; unheard speakers: {np.mean(guess == test_y):.3f} right"]
    for i, name in enumerate(CLASSES):
        shares = np.bincount(guess[test_y == i], minlength=len(CLASSES)) / (test_y == i).sum()
        lines.append(" ".join([name, *(f"{c}:{v:.2f}" for c, v in zip(CLASSES, shares, strict=True))]))
    sys.stdout.write("\n".join(lines) + "\n")
    np.savez_compressed(options.out, **weights)


if __name__ == "__main__":
    main()
