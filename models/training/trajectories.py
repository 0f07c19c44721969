"""Measure the params of every clip of a folder with the engine's own tracker, and its noise on still faces.

`python -m models.training.trajectories --clips CLIPS [--stills STILLS] --out models/data/trajectories.npz`

Still takes show one picture again and again under sensor noise (`still_white_*`: independent noise of 4 grey levels;
`still_h264_*`: the same after a video codec, whose noise hangs together in time): what moves in them is the tracker.
"""

from __future__ import annotations

import argparse
import io
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from models.assets import asset_path
from models.face import U8
from models.landmarks import FaceNetworks
from models.tracking import FaceTracker
from models.trajectories import Take, save_takes, take_of

log = logging.getLogger("trajectories")

NOT_FOR_TRAINING = ("lia_",)  # projects that forbid commercial use: measured with, never stored, never trained on
_SIGMA = 4.0  # grey levels of sensor noise
_STILL_FRAMES, _STILL_FPS = 150, 30.0


def clip_frames(path: Path) -> Iterator[U8]:
    """Yield a clip's frames as RGB, at most 1280 px long."""
    cap = cv2.VideoCapture(str(path))
    while True:
        ok, bgr = cap.read()
        if not ok:
            break
        k = 1280 / max(bgr.shape[:2])
        if k < 1.0:
            bgr = cv2.resize(bgr, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        yield np.ascontiguousarray(bgr[:, :, ::-1])
    cap.release()


def measure(nets: FaceNetworks, name: str, fps: float, frames: Iterable[U8]) -> Take | None:
    """Track frames; returns the take, or None when fewer than a second shows a face."""
    tracker = FaceTracker(networks=nets)
    at, seen = [], []
    for i, rgb in enumerate(frames):
        params, _ = tracker.track(rgb, round(i * 1e9 / fps))
        if params is not None:
            at.append(i)
            seen.append(params)
    return take_of(name, fps, at, seen) if len(seen) > fps else None


def noisy(picture: U8, seed: int) -> Iterator[U8]:
    """Yield one picture under fresh sensor noise."""
    rng = np.random.default_rng(seed)
    for _ in range(_STILL_FRAMES):
        yield np.clip(picture + rng.normal(0, _SIGMA, picture.shape), 0, 255).round().astype(np.uint8)


def through_codec(frames: Iterable[U8]) -> Iterator[U8]:
    """Yield frames after H.264 at webcam quality (crf 23, no B-frames)."""
    memory = io.BytesIO()
    box: Any = av.open(memory, "w", format="mp4")
    stream: Any = None
    for rgb in frames:
        if stream is None:
            stream = box.add_stream("libx264", rate=int(_STILL_FPS))
            stream.height, stream.width = (v // 2 * 2 for v in rgb.shape[:2])
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "23", "preset": "veryfast", "tune": "zerolatency"}
        cut = np.ascontiguousarray(rgb[: stream.height, : stream.width])
        box.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
    box.mux(stream.encode())
    box.close()
    memory.seek(0)
    with av.open(memory) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--clips", type=Path, required=True)
    ap.add_argument("--stills", type=Path, help="portraits for the noise takes, a few are enough")
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    nets = FaceNetworks(asset_path("face_landmarker.task"), 1)
    takes = []
    for path in sorted(a.clips.iterdir()):
        if path.suffix.lower() not in (".mp4", ".mov", ".webm") or path.name.startswith(NOT_FOR_TRAINING):
            continue
        fps = float(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)) or 25.0
        take = measure(nets, path.stem, fps, clip_frames(path))
        log.info("%s: %s frames", path.name, 0 if take is None else len(take.frame))
        takes += [take] if take is not None else []
    for seed, path in enumerate(sorted(a.stills.glob("*.jpg")) if a.stills else []):
        bgr = cv2.imread(str(path))
        if bgr is None:
            continue
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        for kind, frames in (("white", noisy(rgb, seed)), ("h264", through_codec(noisy(rgb, seed)))):
            take = measure(nets, f"still_{kind}_{seed}", _STILL_FPS, frames)
            takes += [take] if take is not None else []
    save_takes(a.out, takes)
    log.info("%s: %d takes, %.2f MB", a.out, len(takes), a.out.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
