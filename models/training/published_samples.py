"""Samples of the `published` network: photo, flat sparse renders of it at two poses, and the truth at the second.

`python -m models.training.published_samples --clips DIR --stills DIR --cache CACHE --out SHARDS`
CACHE comes from `measure.py`. Clips give frames of one person under the engine's own fit; stills give neutral and
smiling portraits of one person each way, and themselves back from a picture that the puppet has turned and closed.
Held-out people and clips that must not be trained on go to val_*.npz or nowhere. A shard that exists is kept.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from kernels import map_texture
from models import rotation
from models.face import N_UNITS, UNIT, UNITS, FaceParams
from models.generator_crop import cut
from models.morphable import N_MESH, N_POINTS
from models.published import PIXELS, square, to_square
from models.puppet import Puppet
from models.source import SourceFace
from models.training.data import HELD_OUT, HELD_OUT_STILLS, NOT_FOR_TRAINING, Clip, Maker, load_clip
from models.training.train_samples import clip_files, load_stills, pairs

log = logging.getLogger("published_samples")
Sample = dict[str, np.ndarray]


def sample(puppet: Puppet, truths: list[np.ndarray], params: list[FaceParams]) -> Sample:
    """One photo and its targets: `image`, `source` (S, S, 3), `target`, `true` (n, S, S, 3), all bytes."""
    src = puppet.source
    matrix = square(src.points)
    image = cut(src.image, matrix, PIXELS)
    rest = to_square(src.points[:N_MESH] * np.array([1, 1, -1], np.float32), matrix)
    triangles = puppet._model.triangles
    out: Sample = {"image": image, "source": map_texture(image, rest, rest, triangles, "flat")[0]}
    moved = [to_square(puppet.vertices(p)[:N_MESH], matrix) for p in params]
    out["target"] = np.stack([map_texture(image, rest, v, triangles, "flat")[1] for v in moved])
    out["true"] = np.stack([cut(t, matrix, PIXELS) for t in truths])
    return out


def clip_samples(maker: Maker, clip: Clip, sources: int, targets: int) -> Iterator[Sample]:
    """Draw sources and, for each, frames that it is driven to; open mouths and turned heads are favoured a little."""
    gap = np.linalg.norm(clip.points[:, 13] - clip.points[:, 14], axis=1)
    w = 1.0 + np.clip(gap / max(float(gap.mean()), 1e-3), 0, 3)
    for i in maker.rng.choice(len(clip.frames), sources, replace=len(clip.frames) < sources):
        puppet = Puppet(maker.source(clip.frames[i], clip.points[i], clip.scores[i]), threads=1)
        at = maker.rng.choice(len(clip.frames), targets, p=w / w.sum())
        params = [maker.drive(puppet, clip.points[k], clip.scores[k]) for k in at]
        yield sample(puppet, [clip.frames[k] for k in at], params)


def still_sample(maker: Maker, rgb: np.ndarray, points: np.ndarray, scores: np.ndarray, targets: int) -> Sample:
    """Turn and close a still's face; that picture is the photo, and the still itself what must come back."""
    src = maker.source(rgb, points, scores)
    puppet = Puppet(src, threads=1)
    e = src.params.expression.copy()
    for i, name in enumerate(UNITS):
        if name.startswith(("mouth", "jaw", "cheek", "brow")):
            e[i] *= maker.rng.uniform(0.0, 0.6)
    e[N_UNITS:] *= maker.rng.uniform(0.2, 0.9)
    e[UNIT["jawOpen"]] += max(0.0, maker.rng.normal(0, 0.15))
    turn = rotation.multiply(rotation.exp(maker.rng.normal(0, np.radians([5.0, 9.0, 3.0]))), src.params.rotation)
    moved = src.params.with_(expression=e.astype(np.float32), rotation=turn)
    image, v = puppet.warp(moved)
    pts = src.camera.project(puppet.head(moved), moved)
    pts[: len(v[:N_MESH])] = v[:N_MESH]
    pts[:, 2] *= -1.0  # landmarks count depth away from the camera
    back = SourceFace(image, pts[:N_POINTS], src.head, moved, src.lid_gap, src.matte, image)
    return sample(Puppet(back, threads=1), [rgb] * targets, [maker.shaken(src.params) for _ in range(targets)])


def pair_sample(maker: Maker, a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...], targets: int) -> Sample:
    """One portrait driven to another of the same person; each (rgb, points, scores)."""
    puppet = Puppet(maker.source(*a), threads=1)
    p = maker.drive(puppet, b[1], b[2])
    return sample(puppet, [b[0]] * targets, [p] + [maker.shaken(p) for _ in range(targets - 1)])


def still_samples(maker: Maker, stills: dict[str, tuple[np.ndarray, ...]], held: set[str], most: int,
                  targets: int) -> Iterator[Sample]:  # fmt: skip
    """Every pair each way, and at most `most` stills spread over the rest."""
    for a, b in pairs(stills):
        if a not in held:
            for x, y in ((a, b), (b, a)):
                yield pair_sample(maker, stills[x], stills[y], targets)
    names = [n for n in stills if n not in held]
    for i in np.unique(np.linspace(0, len(names) - 1, most).astype(int)):
        try:
            yield still_sample(maker, *stills[names[i]], targets)
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError, cv2.error) as error:
            log.info("left out %s: %s", names[i], error)


def validation(maker: Maker, clip: Clip, targets: int = 12) -> Iterator[Sample]:
    """The first frame driven to frames spread over the clip, without noise."""
    puppet = Puppet(maker.source(clip.frames[0], clip.points[0], clip.scores[0]), threads=1)
    at = np.linspace(5, len(clip.frames) - 1, targets).astype(int)
    yield sample(puppet, [clip.frames[k] for k in at],
                 [maker.drive(puppet, clip.points[k], clip.scores[k]) for k in at])  # fmt: skip


def write(file: Path, samples: Iterable[Sample]) -> None:
    """Store samples under one name, atomically."""
    if file.exists():
        return
    rows = list(samples)
    part = file.with_suffix(".part.npz")
    np.savez(part, **{k: np.stack([r[k] for r in rows]) for k in rows[0]})
    part.rename(file)
    log.info("%s: %d photos of %d targets", file.name, len(rows), len(rows[0]["target"]))


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--clips", "--stills", "--cache", "--out"):
        ap.add_argument(name, type=Path, required=True)
    ap.add_argument("--sources", type=int, default=12, help="photos a clip")
    ap.add_argument("--targets", type=int, default=12, help="frames a photo")
    ap.add_argument("--most", type=int, default=250, help="single stills")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    for i, (name, video, cache) in enumerate(clip_files(a.clips, a.cache)):
        if name.startswith(NOT_FOR_TRAINING):
            continue
        kind = "val" if name in HELD_OUT else "train"
        file = a.out / f"{kind}_{name}.npz"
        if file.exists():
            continue
        clip = load_clip(video, cache, 150 if kind == "val" else 400)
        maker = Maker(i, 0.0 if kind == "val" else 1.0)
        write(file, validation(maker, clip) if kind == "val" else clip_samples(maker, clip, a.sources, a.targets))
    stills = load_stills(a.stills, a.cache)
    held = {n for p in pairs(stills)[-10:] for n in p} | {n for n in stills if any(h in n for h in HELD_OUT_STILLS)}
    write(a.out / "train_stills.npz", still_samples(Maker(500), stills, held, a.most, 2))


if __name__ == "__main__":
    main()
