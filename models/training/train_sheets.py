"""Close-ups of unseen people through the runtime itself: source, camera, warp, engine; mouths, then eyes.

`python -m models.training.train_sheets --clips DIR --cache CACHE --out DIR [--data models/data]`
Also writes figures.json: how far lips read off the camera's (% of the inter-ocular distance), errors inside the lips
and the lids (0..255), sharpness against the camera's, flicker, all at the clip's own resolution (at most 140 px between
the outer eye corners), from the first frame of each held-out clip as the source. The sheets show the clips: they are
looked at, never committed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import cv2
import numpy as np

from models.assets import asset_path
from models.generator import DATA, Generator
from models.generator_crop import EYE, MOUTH, crop_matrix, cut
from models.inner_light import look_inside
from models.landmarks import FaceNetworks, roi_from_points
from models.morphable import EYES, INNER_LIPS, OUTER_CORNERS, OUTER_LIPS
from models.puppet import Puppet
from models.readback import read_back
from models.training.data import HELD_OUT, NOT_FOR_TRAINING, Maker, load_clip
from models.training.train_samples import clip_files

log = logging.getLogger("train_sheets")
EYE_LOOPS = [e.contour for e in EYES]


def filled(points: np.ndarray, loops: list[tuple[int, ...]], size: tuple[int, int]) -> np.ndarray:
    """Hulls of landmark loops as a mask (H, W)."""
    m = np.zeros(size, np.uint8)
    for loop in loops:
        cv2.fillConvexPoly(m, cv2.convexHull(np.rint(points[list(loop), :2]).astype(np.int32)), 1)
    return m > 0


def sharpness(rgb: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute Laplacian inside a mask."""
    return float(np.abs(cv2.Laplacian(rgb.mean(2).astype(np.float32), cv2.CV_32F))[mask].mean())


def lips_off(truth: np.ndarray, got: np.ndarray) -> float:
    """Mean distance of the lips' landmarks, % of the truth's inter-ocular distance."""
    d = np.linalg.norm((truth - got)[sorted({*INNER_LIPS, *OUTER_LIPS}), :2], axis=1).mean()
    return float(d / np.linalg.norm(truth[OUTER_CORNERS[0], :2] - truth[OUTER_CORNERS[1], :2]) * 100)


def score(video: Path, cache: Path, data: Path, frames: int, sheet: Path) -> dict[str, dict[str, float]]:
    """Drive a clip's first frame by the clip; returns figures for `warp` and `engine` and writes the sheet."""
    clip, maker = load_clip(video, cache, frames), Maker(1, 0.0)
    source = maker.source(clip.frames[0], clip.points[0], clip.scores[0])
    puppet = Puppet(source)
    generator = Generator(clip.frames[0], clip.points[0], "cpu", 2, data=data)
    finished = Puppet(source, generator=generator)
    nets = FaceNetworks(asset_path("face_landmarker.task"), 1)
    finished.readback = read_back(finished, nets)
    rows: dict[str, dict[str, list[float]]] = {"warp": {}, "engine": {}}
    before: dict[str, np.ndarray] = {}
    cells = []
    shown = np.linspace(len(clip.frames) // 8, len(clip.frames) - 1, 8).astype(int)
    for i, truth in enumerate(clip.frames):
        params = maker.drive(puppet, clip.points[i], clip.scores[i])
        warped = puppet.warp(params)[0]
        engine, v = finished.warp(params)
        generator.paint(engine, v[:468], look_inside(truth, clip.points[i]))
        # The truth is read anew: its stored points come from a larger picture.
        roi = roi_from_points(clip.points[i])
        read = {n: nets.landmarks(x, roi).points for n, x in (("truth", truth), ("warp", warped), ("engine", engine))}
        for name in rows:
            rows[name].setdefault("lips_akd", []).append(lips_off(read["truth"], read[name]))
        for region, loops in (("mouth", [OUTER_LIPS]), ("eyes", EYE_LOOPS)):
            mask = filled(clip.points[i], loops, truth.shape[:2])
            for name, got in (("warp", warped), ("engine", engine)):
                r = rows[name]
                r.setdefault(f"{region}_l1", []).append(float(np.abs(got.astype(int) - truth)[mask].mean()))
                r.setdefault(f"{region}_sharp", []).append(sharpness(got, mask) / max(1e-3, sharpness(truth, mask)))
                if name in before:
                    step = np.abs(got.astype(int) - before[name])[mask].mean()
                    real = np.abs(truth.astype(int) - before["truth"])[mask].mean()
                    r.setdefault(f"{region}_flicker", []).append(float(step / max(real, 0.2)))
        before = {"warp": warped, "engine": engine.copy(), "truth": truth}
        if i in shown:
            cells.append(close_ups(clip.frames[0], clip.points[0], v, (truth, warped, engine)))
    cv2.imwrite(str(sheet), np.vstack(cells)[:, :, ::-1])
    middle = {True: np.median, False: np.mean}
    return {k: {n: round(float(middle["sharp" in n](v)), 4) for n, v in r.items()} for k, r in rows.items()}


def close_ups(source: np.ndarray, points: np.ndarray, v: np.ndarray, pictures: tuple[np.ndarray, ...]) -> np.ndarray:
    """One row: mouth of the source and of each picture, then the left eye of the same."""
    row = []
    for spec, eye in ((MOUTH, None), (EYE, EYES[0])):
        crops = [cut(source, crop_matrix(points, spec, eye), spec.pixels)]
        crops += [cut(x, crop_matrix(v, spec, eye), spec.pixels) for x in pictures]
        row += [cv2.resize(x, (112, 112), interpolation=cv2.INTER_CUBIC) for x in crops]
    return np.hstack(row)


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--clips", "--cache", "--out"):
        ap.add_argument(name, type=Path, required=True)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--frames", type=int, default=100)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, dict[str, dict[str, float]]] = {}
    for name, video, cache in clip_files(a.clips, a.cache):
        if name in HELD_OUT or name.startswith(NOT_FOR_TRAINING):
            report[name] = score(video, cache, a.data, a.frames, a.out / f"sheet_{name}.png")
            log.info("%s %s", name, report[name])
    keys = next(iter(report.values()))["warp"]
    report["mean"] = {m: {k: round(float(np.mean([r[m][k] for r in report.values()])), 4) for k in keys}
                      for m in ("warp", "engine")}  # fmt: skip
    log.info("mean %s", report["mean"])
    (a.out / "figures.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
