"""Write training and validation samples as shards of arrays, one pass after the other.

`python -m models.training.train_samples --clips DIR --stills DIR --cache CACHE --out SHARDS [--passes N]`
CACHE comes from `measure.py`. Each pass visits every clip and a share of the stills; a shard that exists is kept, so a
run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from models.training.data import HELD_OUT, HELD_OUT_STILLS, MAX_IOD_PX, NOT_FOR_TRAINING, Maker, Sample, load_clip

log = logging.getLogger("train_samples")
HELD_OUT_PAIRS = 10  # neutral and smiling portraits that nothing is trained on


def write(file: Path, samples: Iterable[Sample]) -> int:
    """Store samples under one name, atomically; returns how many."""
    rows = list(samples)
    if rows:
        part = file.with_suffix(".part.npz")
        np.savez(part, **{k: np.stack([r[k] for r in rows]) for k in rows[0]})
        part.rename(file)
    return len(rows)


def clip_files(clips: Path, cache: Path) -> list[tuple[str, Path, Path]]:
    """Name, video and landmark cache of every clip that has both."""
    found = [(p.stem, p, cache / f"clip_{p.stem}.npz") for p in sorted(clips.iterdir())]
    return [f for f in found if f[2].exists()]


def load_stills(folder: Path, cache: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every measured still as (rgb, points, scores), brought to the size the networks can use."""
    z = np.load(cache / "stills.npz")
    out = {}
    for name, points, scores in zip(z["names"], z["points"], z["scores"], strict=True):
        rgb = np.ascontiguousarray(cv2.imread(str(folder / str(name)))[:, :, ::-1])
        k = min(1.0, MAX_IOD_PX / float(np.linalg.norm(points[33, :2] - points[263, :2])))
        size = (round(rgb.shape[1] * k), round(rgb.shape[0] * k))
        points = points.astype(np.float32) * k
        points[:, :2] += (k - 1) / 2
        out[str(name)] = (cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if k < 1 else rgb, points, scores)
    return out


def still_shard(maker: Maker, stills: dict[str, tuple[np.ndarray, ...]], held: set[str]) -> Iterable[Sample]:
    """One sample of every still outside `held`, and one of every neutral/smiling pair each way."""
    for name, (rgb, points, scores) in stills.items():
        if name in held:
            continue
        try:
            yield maker.still_sample(rgb, points, scores)
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError, cv2.error) as error:
            log.info("left out %s: %s", name, error)
    for a, b in pairs(stills):
        if a not in held:
            for x, y in ((a, b), (b, a)):
                yield maker.pair_sample(stills[x], stills[y])


def held_stills(stills: Iterable[str]) -> set[str]:
    """Names of the stills that nothing is trained on: the last pairs, and people that held-out clips show."""
    names = list(stills)
    held = {n for p in pairs(names)[-HELD_OUT_PAIRS:] for n in p}
    return held | {n for n in names if any(h in n for h in HELD_OUT_STILLS)}


def pairs(stills: Iterable[str]) -> list[tuple[str, str]]:
    """Neutral and smiling portrait of the same person."""
    by_id: dict[str, dict[str, str]] = {}
    for n in stills:
        if n.startswith("london_"):
            by_id.setdefault(n.split("/")[1].split("_")[0], {})[n.split("/")[0]] = n
    return [(v["london_neutral"], v["london_smiling"]) for _, v in sorted(by_id.items()) if len(v) == 2]


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--clips", "--stills", "--cache", "--out"):
        ap.add_argument(name, type=Path, required=True)
    ap.add_argument("--passes", type=int, default=6)
    ap.add_argument("--sources", type=int, default=8, help="sources a clip and pass")
    ap.add_argument("--targets", type=int, default=8, help="target pairs a source")
    ap.add_argument("--everyone", action="store_true", help="train on the held-out people too (not on lia_*)")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    files = clip_files(a.clips, a.cache)
    stills = load_stills(a.stills, a.cache)
    held_pairs, held = pairs(stills)[-HELD_OUT_PAIRS:], held_stills(stills)
    for name, video, cache in files:
        file = a.out / f"val_{name}.npz"
        if (name in HELD_OUT or name.startswith(NOT_FOR_TRAINING)) and not file.exists():
            log.info("%s: %d", file.name, write(file, validation(Maker(1, 0.0), video, cache)))
    if not (a.out / "val_london.npz").exists():
        write(a.out / "val_london.npz", (Maker(1, 0.0).pair_sample(stills[x], stills[y]) for x, y in held_pairs))
    for k in range(a.passes):
        for i, (name, video, cache) in enumerate(files):
            if name.startswith(NOT_FOR_TRAINING) or (name in HELD_OUT and not a.everyone):
                continue
            file = a.out / f"train_{k}_{name}.npz"
            if not file.exists():
                rows = Maker(1000 * k + i).clip_samples(load_clip(video, cache), a.sources, a.targets)
                log.info("%s: %d", file.name, write(file, rows))
        file = a.out / f"train_{k}_stills.npz"
        if not file.exists():
            rows = still_shard(Maker(5000 + k), stills, set() if a.everyone else held)
            log.info("%s: %d", file.name, write(file, rows))


def validation(maker: Maker, video: Path, cache: Path, count: int = 24) -> Iterable[Sample]:
    """The first frame drives to evenly spaced later ones, without noise: what the judge does."""
    from models.puppet import Puppet

    clip = load_clip(video, cache, 150)
    puppet = Puppet(maker.source(clip.frames[0], clip.points[0], clip.scores[0]), threads=1)
    for j in np.linspace(5, len(clip.frames) - 2, count).astype(int):
        params = [maker.drive(puppet, clip.points[k], clip.scores[k]) for k in (j, j + 1)]
        yield maker.sample(puppet, [clip.frames[j], clip.frames[j + 1]], params)


if __name__ == "__main__":
    main()
