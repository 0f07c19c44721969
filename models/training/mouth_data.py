"""Cut training samples of the mouth: pairs of frames of one person, warped by the engine's own puppet.

`python -m models.training.mouth_data --clips DIR --cache CACHE --out SAMPLES` (CACHE from `models.training.measure`)
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import numpy as np

from models import lids
from models.fitting import Camera, Fitter
from models.morphable import INNER_LIPS, N_MESH, load_morphable
from models.mouth_crop import crop_from_picture, cut, masks
from models.puppet import Puppet
from models.source import SourceFace

log = logging.getLogger("mouth_data")
LONGEST_PX = 512
# People of these clips are never trained on: they are what the networks are scored with; lia_ by its licence.
HELD_OUT = ("liveportrait_d9", "liveportrait_d11", "retalking_4", "tpsmm_driving", "latentsync_1", "lia_")


def clip_samples(
    clip: Path, row: dict[str, np.ndarray], sources: int, targets: int, seed: int
) -> dict[str, np.ndarray]:
    """Samples of one clip: warped, source and true crops, masks of target and source, how open the mouth is."""
    rng = np.random.default_rng(seed)
    h, w = (int(v) for v in row["size"])
    k = min(1.0, LONGEST_PX / max(h, w))
    points = row["points"].astype(np.float32).copy()
    points[:, :, :2] = (points[:, :, :2] + 0.5) * k - 0.5
    points[:, :, 2] *= k
    inner = np.ascontiguousarray(points[:, list(INNER_LIPS), :2])
    iod = np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1)
    area = np.array([cv2.contourArea(p) for p in inner]) / iod**2
    n = len(points)
    order = np.argsort(area)
    # closed, half open, open: a source may be any of them
    chosen = [int(order[int(q * (n - 1))]) for q in np.linspace(0.02, 0.98, sources)]
    weight = 0.15 * area.max() + area
    wanted = {s: rng.choice(n, min(targets, n), replace=False, p=weight / weight.sum()) for s in chosen}
    need = set(chosen) | {int(i) for ids in wanted.values() for i in ids}
    pictures = _read(clip, {int(row["frame"][i]): i for i in need}, (round(w * k), round(h * k)))
    fitter = Fitter(load_morphable())
    cam = Camera(round(w * k), round(h * k))
    out: dict[str, list[np.ndarray]] = {key: [] for key in ("warped", "source", "truth", "masks", "open")}
    for s, ids in wanted.items():
        if s not in pictures:
            continue
        gap = lids.open_reference(lids.openness(points[s]), row["scores"][s])
        head, params = fitter.identify(points[s], cam, _scores(row["scores"][s], points[s], gap))
        rgb = pictures[s]
        puppet = Puppet(
            SourceFace(rgb, points[s], head, params, gap, np.ones(rgb.shape[:2], np.float32), rgb), threads=2
        )
        m = crop_from_picture(points[s])
        source_crop, source_masks = cut(rgb, m), masks(points[s], m)
        for i in ids:
            if int(i) not in pictures:
                continue
            p = fitter.fit(points[i], cam, head, _scores(row["scores"][i], points[i], gap), iterations=5)
            frame, v = puppet.warp(puppet.retarget(p, params))
            m = crop_from_picture(v[:N_MESH])
            out["warped"].append(cut(frame, m))
            out["source"].append(source_crop)
            out["truth"].append(cut(pictures[int(i)], m))
            out["masks"].append(np.concatenate([masks(v[:N_MESH], m), source_masks[:1]]))
            out["open"].append(np.float32(area[i]))
    return {key: np.array(v) for key, v in out.items()}


def _scores(scores: np.ndarray, points: np.ndarray, gap: np.ndarray) -> np.ndarray:
    s = scores.astype(np.float32).copy()
    lids.write_units(s, lids.openness(points) / gap)
    return s


def _read(clip: Path, wanted: dict[int, int], size: tuple[int, int]) -> dict[int, np.ndarray]:
    cap, out, i = cv2.VideoCapture(str(clip)), {}, 0
    while len(out) < len(wanted):
        ok, bgr = cap.read()
        if not ok:
            break
        if i in wanted:
            out[wanted[i]] = np.ascontiguousarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)[:, :, ::-1])
        i += 1
    return out


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--clips", type=Path, required=True)
    ap.add_argument("--cache", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--sources", type=int, default=7, help="source frames a clip")
    ap.add_argument("--targets", type=int, default=60, help="target frames a source")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    for n, clip in enumerate(sorted(a.clips.iterdir())):
        cache = a.cache / f"clip_{clip.stem}.npz"
        if not cache.exists():
            continue
        held = clip.stem.startswith(HELD_OUT)
        with np.load(cache) as z:
            row = {key: z[key] for key in z.files}
        samples = clip_samples(clip, row, 2 if held else a.sources, 30 if held else a.targets, n)
        np.savez(a.out / f"{'held' if held else 'train'}_{clip.stem}.npz", **samples)
        log.info("%s%s: %d", clip.stem, " (held out)" if held else "", len(samples["open"]))


if __name__ == "__main__":
    main()
