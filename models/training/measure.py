"""Measure landmarks and scores over folders of stills and clips, once, into a cache that the other scripts read.

`python -m models.training.measure --stills DIR --clips DIR --out CACHE`
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import numpy as np

from models.assets import asset_path
from models.landmarks import FaceNetworks, Landmarks, roi_from_points
from models.second_look import SecondLook, look_again
from models.tracking import find_face

log = logging.getLogger("measure")


def measure_still(nets: FaceNetworks, rgb: np.ndarray) -> Landmarks | None:
    """Find the largest face of a picture and read it as a photo is read."""
    face = find_face(nets, rgb)
    return None if face is None else look_again(nets, rgb, face)


def measure_clip(nets: FaceNetworks, path: Path, limit: int, step: int) -> dict[str, np.ndarray] | None:
    """Follow the face of a clip; frames without one are left out and `frame` keeps their numbers."""
    cap = cv2.VideoCapture(str(path))
    points, scores, index, roi, i = [], [], [], None, -1
    size, second = (0, 0), SecondLook(nets)
    while len(points) < limit:
        ok, bgr = cap.read()
        if not ok:
            break
        i += 1
        if i % step:
            continue
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        size = rgb.shape[:2]
        face = find_face(nets, rgb) if roi is None else nets.landmarks(rgb, roi)
        if face is None or face.presence < 0.5:
            roi = None
            second.forget()
            continue
        roi = roi_from_points(face.points)
        second.look(rgb, face.points)
        points.append(second.correct(face.points))
        scores.append(nets.scores(points[-1]))
        index.append(i)
    if not points:
        return None
    return {"points": np.array(points), "scores": np.array(scores), "frame": np.array(index),
            "size": np.array(size), "fps": np.array(cap.get(cv2.CAP_PROP_FPS) or 25.0)}  # fmt: skip


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--stills", type=Path)
    ap.add_argument("--clips", type=Path)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=2000, help="frames a clip")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    if a.stills:
        names, points, scores, sizes = [], [], [], []
        for p in sorted(q for q in a.stills.rglob("*") if q.suffix.lower() in (".jpg", ".jpeg", ".png")):
            bgr = cv2.imread(str(p))
            face = None if bgr is None else measure_still(nets, np.ascontiguousarray(bgr[:, :, ::-1]))
            if bgr is None or face is None:
                log.info("no face: %s", p)
                continue
            names.append(str(p.relative_to(a.stills)))
            points.append(face.points)
            scores.append(face.scores)
            sizes.append(bgr.shape[:2])
        np.savez(a.out / "stills.npz", names=np.array(names), points=points, scores=scores, size=sizes)
    for p in sorted(a.clips.iterdir()) if a.clips else []:
        if p.suffix.lower() in (".mp4", ".mov", ".webm"):
            row = measure_clip(nets, p, a.limit, 2 if "franck" in p.name else 1)
            log.info("%s: %s frames", p.name, 0 if row is None else len(row["points"]))
            if row is not None:
                np.savez(a.out / f"clip_{p.stem}.npz", **row)


if __name__ == "__main__":
    main()
