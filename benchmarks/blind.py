"""A blind comparison to look at: engine against warp, side by side in random order, as a page that needs no server.

`python -m benchmarks.blind --clips DIR --stills DIR --out DIR [--seed N] [--sources N] [--most N]`

Writes OUT/index.html with one video for each side of each trial, and OUT/key/answers.json, which says which side was
which: keep it from whoever judges. The page collects choices and hands them out as a file; `--score choices.json`
counts them. The videos show your stills driven by your clips; nothing is written anywhere else.
"""

from __future__ import annotations

import argparse
import html
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.footage import clip_files, read_clip, spread, still_files
from benchmarks.replay import Replay, engine_puppet
from models.assets import asset_path
from models.errors import UserError
from models.face import U8
from models.landmarks import FaceNetworks
from models.puppet import Puppet
from models.source import prepare_source

METHODS = ("engine", "warp")
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Which one looks real?</title>
<style>body{{font:16px sans-serif;max-width:60em;margin:2em auto;background:#222;color:#eee}}
video{{width:48%}}fieldset{{border:0;margin:0 0 2em}}</style>
<h1>Which one looks more like a real face?</h1>
<p>Watch both, then choose. At the end, save your choices.</p>
<form id="f">
{trials}
</form><button onclick="save()">Save choices</button>
<script>
function save(){{
  const choices = Object.fromEntries(new FormData(document.getElementById("f")));
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([JSON.stringify(choices)], {{type: "application/json"}}));
  a.download = "choices.json"; a.click();
}}
</script></html>
"""
_TRIAL = """<fieldset><legend>{name}</legend>
<video src="{name}_left.mp4" autoplay loop muted playsinline></video>
<video src="{name}_right.mp4" autoplay loop muted playsinline></video><br>
<label><input type="radio" name="{name}" value="left"> left</label>
<label><input type="radio" name="{name}" value="same"> no difference</label>
<label><input type="radio" name="{name}" value="right"> right</label></fieldset>"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("--clips", "--stills"):
        parser.add_argument(name)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--score", type=Path, help="choices.json of a judge: count them against OUT/key/answers.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=int, default=4, help="stills, spread over the folder")
    parser.add_argument("--most", type=int, default=4, help="clips, spread over the folder")
    parser.add_argument("--frames", type=int, default=120, help="frames of each clip")
    parser.add_argument("--size", type=int, default=512)
    a = parser.parse_args(arguments)
    if a.score is not None:
        answers = json.loads((a.out / "key" / "answers.json").read_text())
        print(count(answers, json.loads(a.score.read_text())))
        return 0
    if not a.clips or not a.stills:
        parser.error("--clips and --stills are needed to make a page")
    trials = 0
    nets = FaceNetworks(asset_path("face_landmarker.task"))
    sides = order(a.sources * a.most, a.seed)
    names: list[str] = []
    (a.out / "key").mkdir(parents=True, exist_ok=True)
    for still in spread(still_files(a.stills), a.sources):
        try:
            source = prepare_source(still, a.size, nets)
        except UserError as error:
            print(error)
            continue
        puppets = {"engine": engine_puppet(source)[0], "warp": Puppet(source)}
        for clip in spread(clip_files(a.clips), a.most):
            frames, fps = read_clip(clip, a.frames)
            seen = Replay(None, nets).track(frames, fps)[0]
            name = f"trial_{trials:02d}"
            for side, method in zip(("left", "right"), sides[trials], strict=True):
                write_video(a.out / f"{name}_{side}.mp4", Replay(puppets[method], nets).show(seen), fps)
            names.append(name)
            trials += 1
            print(name, flush=True)
    (a.out / "index.html").write_text(page(names), encoding="utf-8")
    (a.out / "key" / "answers.json").write_text(json.dumps(dict(zip(names, sides, strict=False)), indent=1))
    return 0


def order(n: int, seed: int) -> list[tuple[str, str]]:
    """Method on the left and on the right of `n` trials; the same for the same seed."""
    flips = np.random.default_rng(seed).integers(0, 2, n)
    return [METHODS if f == 0 else METHODS[::-1] for f in flips]


def page(names: Sequence[str]) -> str:
    """Return the page of the trials; it does not know which side is which."""
    return _PAGE.format(trials="\n".join(_TRIAL.format(name=html.escape(n)) for n in names))


def count(answers: dict[str, Sequence[str]], choices: dict[str, str]) -> dict[str, int]:
    """How often each method, or none, was preferred."""
    got = dict.fromkeys((*METHODS, "same"), 0)
    for name, choice in choices.items():
        if name in answers and choice in ("left", "right", "same"):
            got["same" if choice == "same" else answers[name][choice == "right"]] += 1
    return got


def write_video(path: Path, frames: Sequence[U8], fps: float) -> None:
    """Write frames (H, W, 3) as H.264; odd sides lose a row or a column."""
    import av

    h, w = (v // 2 * 2 for v in frames[0].shape[:2])
    with av.open(str(path), "w") as box:
        stream = box.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        stream.options = {"crf": "16", "preset": "veryfast"}
        for rgb in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:h, :w]), format="rgb24")
            box.mux(stream.encode(picture))
        box.mux(stream.encode())


if __name__ == "__main__":
    raise SystemExit(main())
