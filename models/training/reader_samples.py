"""Write samples that the landmark network can judge: mouth crops together with the face around them.

`python -m models.training.reader_samples --clips DIR [--stills DIR] --cache CACHE --out SHARDS [--passes N]`
Files `face_*.npz` beside the shards of `train_samples.py`; people held out there are held out here. A file that exists
is kept, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.face import FaceParams
from models.generator_crop import MOUTH, crop_matrix, cut, mouth_masks, turn
from models.landmarks import crop_face, roi_from_points
from models.puppet import Puppet
from models.training.data import HELD_OUT, NOT_FOR_TRAINING, Clip, Maker, Sample, load_clip
from models.training.train_samples import clip_files, held_stills, load_stills, pairs, write

log = logging.getLogger("reader_samples")
NOISE = 0.7  # of a bad camera's tracking, in every other pass: or a network learns the few clips' own errors by heart


def sample(puppet: Puppet, params: FaceParams, truth: np.ndarray, points: np.ndarray) -> Sample:
    """Cut one target as `data.Maker.sample` does, and the face around it as the landmark network sees it.

    truth (H, W, 3) and points (478, 3) are the camera's. face (256, 256, 3) is what the puppet draws; place (2, 3)
    takes crop px to px of the face; inter_ocular is in px of the face.
    """
    warped, v = puppet.warp(params)
    m = crop_matrix(v, MOUTH)
    face, back = crop_face(warped, roi_from_points(points))
    whole = [np.vstack([a, [0, 0, 1]]) for a in (back, m)]
    place = (np.linalg.inv(whole[0]) @ whole[1])[:2]
    iod = float(np.linalg.norm(points[33, :2] - points[263, :2])) / float(np.hypot(back[0, 0], back[1, 0]))
    source = puppet.source
    return {
        "src": cut(source.image, crop_matrix(source.points, MOUTH), MOUTH.pixels),
        "warp": cut(warped, m, MOUTH.pixels), "true": cut(truth, m, MOUTH.pixels),
        "mask": mouth_masks(v, m), "turn": turn(v), "face": face, "place": place.astype(np.float32),
        "inter_ocular": np.float32(iod),
    }  # fmt: skip


def draw(maker: Maker, clip: Clip, sources: int, targets: int) -> Iterator[Sample]:
    """Draw sources, mostly with closed lips, and for each some targets; open mouths are favoured."""
    gap = np.linalg.norm(clip.points[:, 13] - clip.points[:, 14], axis=1)
    gap = gap / np.linalg.norm(clip.points[:, 33] - clip.points[:, 263], axis=1)
    w = 0.3 + np.clip(gap / 0.10, 0, 2.0)
    closed = np.flatnonzero(gap <= np.quantile(gap, 0.4))
    for _ in range(sources):
        i = int(maker.rng.choice(closed) if maker.rng.random() < 0.6 else maker.rng.integers(len(gap)))
        puppet = Puppet(maker.source(clip.frames[i], clip.points[i], clip.scores[i]), threads=1)
        for j in maker.rng.choice(len(w), targets, p=w / w.sum()):
            params = maker.shaken(maker.drive(puppet, clip.points[j], clip.scores[j]))
            yield sample(puppet, params, clip.frames[j], clip.points[j])


def draw_stills(maker: Maker, stills: dict[str, tuple[np.ndarray, ...]], held: set[str]) -> Iterator[Sample]:
    """One sample of every still outside `held`, closed and opened again; neutral/smiling pairs each way."""
    for name, (rgb, points, scores) in stills.items():
        if name in held:
            continue
        try:
            puppet, params = maker.closed(rgb, points, scores)
            yield sample(puppet, maker.shaken(params), rgb, points)
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError, cv2.error) as error:
            log.info("left out %s: %s", name, error)
    for a, b in pairs(stills):
        if a not in held:
            for x, y in ((a, b), (b, a)):
                yield sample(*maker.pair(stills[x], stills[y]), *stills[y][:2])


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--clips", "--cache", "--out"):
        ap.add_argument(name, type=Path, required=True)
    ap.add_argument("--stills", type=Path, help="portraits, one pass for every two of the clips")
    ap.add_argument("--passes", type=int, default=2)
    ap.add_argument("--sources", type=int, default=6, help="sources a clip and pass")
    ap.add_argument("--targets", type=int, default=8, help="targets a source")
    ap.add_argument("--everyone", action="store_true", help="train on the held-out people too (not on lia_*)")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    stills = load_stills(a.stills, a.cache) if a.stills else {}
    for k in range(a.passes):
        for i, (name, video, cache) in enumerate(clip_files(a.clips, a.cache)):
            file = a.out / f"face_{k}_{name}.npz"
            if name.startswith(NOT_FOR_TRAINING) or (name in HELD_OUT and not a.everyone) or file.exists():
                continue
            maker = Maker(7000 + 100 * k + i, NOISE if k % 2 else 0.0)
            log.info("%s: %d", file.name, write(file, draw(maker, load_clip(video, cache), a.sources, a.targets)))
        file = a.out / f"face_{k}_stills.npz"
        if stills and k % 2 == 0 and not file.exists():
            rows = draw_stills(Maker(9000 + k, NOISE), stills, set() if a.everyone else held_stills(stills))
            log.info("%s: %d", file.name, write(file, rows))


if __name__ == "__main__":
    main()
