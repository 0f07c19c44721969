"""Does prediction pay: error ahead of time, jitter, lag, overshoot, blinks of the engine and of everybody's filters.

`python -m benchmarks.dynamics --report FILE.json [--clips DIR] [--plots DIR] [--live paced|running]`; judged on the
held-out people of `models/data/trajectories.npz`, or on the clips of a folder. With `--live` the clips drive the engine
instead and nothing else is measured: on a made clock, or at live pace for a few seconds each. Baselines are tuned on
the people that were trained on. Every number is defined in `benchmarks/dynamics_measures.py`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dynamics_imagine import CALM_PEOPLE, CALM_STYLES, compare, compare_calm
from benchmarks.dynamics_lead import call_us, overshoots, price
from benchmarks.dynamics_live import PACED_MS, apparent_lags, paced_lags
from benchmarks.dynamics_measures import (
    HORIZONS_MS,
    LIVE_MS,
    Make,
    Picture,
    Run,
    blink_fidelity,
    errors,
    jitter,
    lags_ms,
    motion_scale,
    overall,
    overshoot,
    run,
    seen_errors,
    seen_jitter,
)
from benchmarks.dynamics_plots import imagined_beside_real, overlays, pareto, what_lead_costs
from benchmarks.dynamics_tuning import baselines
from benchmarks.footage import read_clip
from benchmarks.harness import arguments, save
from benchmarks.latency import own_clip
from models.dynamics import LEAD, RowPredictor
from models.dynamics_net import load_net
from models.dynamics_space import REGIONS
from models.face import F64
from models.tracking import FaceTracker
from models.trajectories import Split, Track, load_takes, split, take_of, tracks_of
from realtime.config import Config

ENGINE = "engine"
UNLED = "engine, head not led"
_LIVE_SIZE = 384
_PACED_FRAMES = 450
_RUNNING_FRAMES = 180  # eight runs of six seconds at 30 fps: a clip takes about a minute and a half


def measure(make: Make, data: Split, scale: F64, people: list[Track], picture: Picture) -> dict[str, Any]:
    """Return all figures of one method on `people` and on the held-out still faces."""
    moving: list[Run] = []
    start, n = time.perf_counter(), 0
    for track in people:
        moving.append(run(make, track))
        n += len(track.t) * len(HORIZONS_MS)
    took_us = (time.perf_counter() - start) / n * 1e6
    still = [run(make, track) for track in data.still_test]
    raw_jitter = np.array([jitter([_raw(r) for r in still], 0)])[0]
    shake = {h: jitter(still, h) for h in (0, LIVE_MS)}
    by_region = {h: errors(moving, h) for h in HORIZONS_MS}
    lag = lags_ms(moving, LIVE_MS)
    names = list(REGIONS)
    seen_raw = seen_jitter(picture, [_raw(r) for r in still], 0)
    seen = {h: seen_jitter(picture, still, h) for h in (0, LIVE_MS)}
    return {
        "rmse": [round(seen_errors(picture, moving, h), 4) for h in HORIZONS_MS],
        "rmse_of_people": {r.track.name: [round(seen_errors(picture, [r], h), 4) for h in HORIZONS_MS] for r in moving},
        "jitter": round(seen[LIVE_MS][0], 4),
        "lag_ms": float(np.median(lag)),
        "jitter_over_raw": round(seen[LIVE_MS][0] / seen_raw[0], 4),
        "jitter_over_raw_at_0_ms": round(seen[0][0] / seen_raw[0], 4),
        "wander_over_raw_at_0_ms": round(seen[0][1] / seen_raw[1], 4),
        "rmse_of_regions": [round(overall(by_region[h], scale), 4) for h in HORIZONS_MS],
        "rmse_of_regions_against_raw": [round(overall(errors(moving, h, "raw"), scale), 4) for h in HORIZONS_MS],
        "regions": {
            name: {
                "rmse": [float(f"{by_region[h][i]:.4g}") for h in HORIZONS_MS],
                "jitter_over_raw": round(float(shake[LIVE_MS][i] / max(raw_jitter[i], 1e-12)), 4),
                "lag_ms": float(lag[i]),
                "lag_at_0_ms": float(lags_ms(moving, 0)[i]) if name in ("turn", "jaw", "lids") else None,
            }
            for i, name in enumerate(names)
        },
        "overshoot": overshoot(moving, LIVE_MS),
        "overshoot_of_made_turns_deg": overshoots(make),
        "blinks": {f"{h}_ms": blink_fidelity(moving, h) for h in HORIZONS_MS},
        "us_per_call": round(took_us, 1),
    }


def _raw(r: Run) -> Run:
    return Run(r.track, r.track.rows[None], (0,))


def clip_tracks(paths: list[Path]) -> list[Track]:
    """Track the clips of a folder with the engine's own tracker."""
    out = []
    for path in paths:
        frames, fps = read_clip(path)
        tracker = FaceTracker()
        seen = [(i, tracker.track(rgb, i)[0]) for i, rgb in enumerate(frames)]
        found = [(i, p) for i, p in seen if p is not None]
        if len(found) > fps:
            out += tracks_of(take_of(path.stem, fps, [i for i, _ in found], [p for _, p in found]))
    return out


def methods(data: Split) -> dict[str, Make]:
    """Return makers of every baseline and of the engine's own predictor."""
    net = load_net()
    return baselines(short(data.train)) | {UNLED: lambda: RowPredictor(net, 0.0), ENGINE: lambda: RowPredictor(net)}


def short(tracks: list[Track], seconds: float = 40.0) -> list[Track]:
    """Cut tracks to their first seconds: no person may outweigh the others in tuning."""
    out = []
    for k in tracks:
        n = int(np.searchsorted(k.t, k.t[0] + seconds))
        out.append(Track(k.name, k.fps, k.t[:n], k.rows[:n], k.truth[:n]))
    return out


def main(words: list[str] | None = None, say: Callable[[str], None] = print) -> None:
    """Measure everything and write the report."""
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--plots", type=Path, help="folder for the pictures of docs/dynamics.md")
    more.add_argument("--live", choices=("paced", "running"), help="measure the engine's own pictures instead")
    more.add_argument("--only", default="", help="comma-separated names of clips to take of the folder")
    extra, rest = more.parse_known_args(words)
    chosen = arguments(__doc__ or "", rest)
    if extra.live is not None:
        wanted = [k for k in chosen.clips if not extra.only or k.stem in extra.only.split(",")]
        save(chosen.report, {"live": live(wanted, extra.live == "paced", say)})
        return
    takes = load_takes()
    data = split(takes)
    people = clip_tracks(chosen.clips) if chosen.clips else data.test
    scale, picture = motion_scale(data.train), Picture()
    figures: dict[str, Any] = {
        "horizons_ms": list(HORIZONS_MS), "people": sorted({k.name for k in people}), "live_horizon_ms": LIVE_MS,
        "region_motion_in_100_ms": {n: float(f"{s:.4g}") for n, s in zip(REGIONS, scale, strict=True)}, "methods": {},
    }  # fmt: skip
    made = methods(data)
    for name, make in made.items():
        figures["methods"][name] = got = measure(make, data, scale, people, picture)
        say(f"{name:20s} rmse {got['rmse']} jitter {got['jitter_over_raw']:.3f} of raw, lag {got['lag_ms']:.0f} ms")
    figures["lead"] = price(load_net(), people, picture)
    # Settings of the lead were chosen on the people that were trained on: the same figures of theirs.
    figures["lead_of_trained"] = price(load_net(), short(data.train, 30.0), picture)
    figures["engine_call_us"] = round(call_us(next(k for k in takes if k.name == "retalking_4")), 1)
    say(f"one observe and predict: {figures['engine_call_us']} us")
    for latency, got in figures["lead"]["leads"][str(LEAD)].items():
        say(f"latency {latency}: lag {got['lag_ms']:.0f} ms, error against holding {got['rmse_against_hold']:+.0%}")
    figures["imagine"] = compare(people)
    figures["imagine_calm"] = {
        f"{style}_{who}": compare_calm([k for k in data.train if k.name.startswith(names)], style)
        for who, names in CALM_PEOPLE.items()
        for style in CALM_STYLES
    }  # fmt: skip
    say(f"imagine: {sum(v['within'] for v in figures['imagine'].values())} of {len(figures['imagine'])} statistics "
        "within the spread of the people")  # fmt: skip
    if extra.plots is not None:
        extra.plots.mkdir(parents=True, exist_ok=True)
        pareto(figures["methods"], extra.plots / "dynamics_pareto.png")
        what_lead_costs(figures["lead"], extra.plots / "dynamics_lead.png")
        overlays(people, made[ENGINE], extra.plots / "dynamics_moments.png")
        imagined_beside_real(figures["imagine"], extra.plots / "dynamics_imagine.png")
    save(chosen.report, figures)


def live(clips: list[Path], paced: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Apparent lags of every clip, on a made clock (`paced`) or of the running engine.

    Without clips the driver is the default portrait moved by `imagine`.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Config(size=_LIVE_SIZE, generator="off")
        out = {}
        for path in clips or [own_clip(Path(folder))]:
            frames, fps = read_clip(path, _PACED_FRAMES if paced else _RUNNING_FRAMES)
            out[path.stem] = paced_lags(frames, fps, config, PACED_MS) if paced else apparent_lags(frames, fps, config)
            say(f"{path.stem}: {out[path.stem]}")
        return out


if __name__ == "__main__":
    main()
