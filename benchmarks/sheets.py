"""Contact sheets to look at: one PNG for each clip, the driver's row above one row for each source.

`python -m benchmarks.sheets --clips DIR --stills DIR --out DIR [--sources N] [--most N] [--columns N]`

The first column is each source at rest. Sheets show frames of the clips: they are for the eye, never for a repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.footage import clip_files, read_clip, spread, still_files
from benchmarks.replay import Replay, engine_puppet
from models.assets import asset_path
from models.errors import UserError
from models.face import U8
from models.landmarks import FaceNetworks
from models.puppet import Puppet
from models.source import prepare_source

CELL_PX = 224


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("--clips", "--stills", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--only", default="", help="clips whose name contains one of these comma-separated words")
    parser.add_argument("--faces", default="", help="stills whose path contains one of these comma-separated words")
    parser.add_argument("--sources", type=int, default=8, help="stills, spread over the folder")
    parser.add_argument("--most", type=int, default=6, help="clips, spread over the folder")
    parser.add_argument("--columns", type=int, default=7, help="instants of each clip")
    parser.add_argument("--frames", type=int, default=150, help="frames of each clip")
    parser.add_argument("--size", type=int, default=512, help="longer side of the source, px")
    parser.add_argument("--method", choices=("engine", "warp", "published"), default="engine", help="what is shown")
    a = parser.parse_args(arguments)
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    puppets = load_puppets(spread(still_files(a.stills, a.faces), a.sources), a.size, nets, a.method)
    for clip in spread(clip_files(a.clips, a.only), a.most):
        frames, fps = read_clip(clip, a.frames)
        if not frames:
            continue
        path = out / f"{clip.stem}.png"
        cv2.imwrite(str(path), sheet(frames, fps, puppets, a.columns, nets)[:, :, ::-1])
        print(path.name, flush=True)
    return 0


def load_puppets(files: Sequence[Path], size: int, nets: FaceNetworks, method: str = "engine") -> list[Puppet]:
    """Prepare the sources that can be used, and name those that cannot."""
    puppets = []
    for path in files:
        try:
            puppets.append(engine_puppet(prepare_source(path, size, nets), method)[0])
        except UserError as error:
            print(error)
    return puppets


def sheet(frames: Sequence[U8], fps: float, puppets: Sequence[Puppet], columns: int, nets: FaceNetworks) -> U8:
    """Draw one clip's sheet, (H, W, 3): the driver above, then every source."""
    seen = Replay(None, nets).track(frames, fps)[0]
    at = np.linspace(len(frames) // 8, len(frames) - 1, columns).astype(int)
    rows = [np.hstack([cell(frames[i]) for i in (0, *at)])]
    for puppet in puppets:
        made = Replay(puppet, nets).show(seen)
        rows.append(np.hstack([cell(puppet.source.image), *(cell(made[i]) for i in at)]))
    return np.vstack(rows)


def cell(rgb: U8, side: int = CELL_PX) -> U8:
    """Fit a picture into a square on grey."""
    h, w = rgb.shape[:2]
    k = side / max(h, w)
    fitted = cv2.resize(rgb, (max(1, round(w * k)), max(1, round(h * k))), interpolation=cv2.INTER_AREA)
    out = np.full((side, side, 3), 40, np.uint8)
    y, x = (side - fitted.shape[0]) // 2, (side - fitted.shape[1]) // 2
    out[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return out


if __name__ == "__main__":
    raise SystemExit(main())
