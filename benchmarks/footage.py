"""What the benchmarks look at: clips, stills and the default portrait. Nothing here writes a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import CLIPS, STILLS, files
from models.face import U8


def clip_files(folder: str | Path, only: str = "") -> list[Path]:
    """Return the clips in a folder, sorted; `only` keeps names that contain one of its comma-separated words."""
    return _named(Path(folder), CLIPS, only)


def still_files(folder: str | Path, only: str = "") -> list[Path]:
    """Return the stills in a folder and below, sorted; `only` as for `clip_files`, matched against the path inside."""
    return _named(Path(folder), STILLS, only)


def read_clip(path: str | Path, most: int | None = None) -> tuple[list[U8], float]:
    """Decode the first `most` frames of a clip; return RGB frames (H, W, 3) and the frame rate."""
    capture = cv2.VideoCapture(str(path))
    fps = float(capture.get(cv2.CAP_PROP_FPS)) or 25.0
    frames: list[U8] = []
    while most is None or len(frames) < most:
        ok, bgr = capture.read()
        if not ok:
            break
        frames.append(np.ascontiguousarray(bgr[:, :, ::-1]))
    capture.release()
    return frames, fps


def read_still(path: str | Path, size: int = 512) -> U8:
    """Read a still as the engine reads its source, at most `size` px long."""
    from models.picture import fit_size, load_picture

    return fit_size(load_picture(path).rgb, size)


def spread(items: list[Path], n: int) -> list[Path]:
    """Return `n` items evenly spread over a list, all of them when there are no more."""
    if n >= len(items):
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, n).round().astype(int)]


def default_portrait() -> Path:
    """Return the public-domain portrait that matplotlib ships; raises FileNotFoundError where it is missing."""
    try:
        import matplotlib
    except ImportError as error:
        raise FileNotFoundError("matplotlib, which brings the default portrait, is not installed") from error
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    if not path.exists():
        raise FileNotFoundError(f"this matplotlib has no {path.name}")
    return path


def _named(folder: Path, endings: tuple[str, ...], only: str) -> list[Path]:
    words = [w for w in only.split(",") if w]
    return [p for p in files(folder, endings) if not words or any(w in str(p.relative_to(folder)) for w in words)]
