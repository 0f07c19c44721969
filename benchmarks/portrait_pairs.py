"""A neutral portrait driven to the smile of the same person: what a closed mouth's teeth are worth.

Part of `python -m benchmarks.quality --pairs STILLS`: STILLS holds `*neutral*` and `*smiling*` folders whose
file names start with the same number (the Face Research Lab London set). Training holds out the last ten pairs: those
are scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks import metrics, perceptual
from benchmarks.footage import read_still, still_files
from benchmarks.replay import Replay, engine_puppet
from models.errors import UserError
from models.face import U8
from models.landmarks import FaceNetworks
from models.source import analyse

Row = dict[str, float | None]
METHODS = ("hold", "warp", "engine")
HELD_FRAMES = 12  # the smile is held this long, so that smoothing has settled


def find_pairs(folder: str | Path, last: int = 10) -> list[tuple[Path, Path]]:
    """Neutral and smiling portraits of the same number, the last ones by name; 0 returns all."""
    by_name: dict[str, dict[str, Path]] = {}
    for path in still_files(folder):
        for kind in ("neutral", "smiling"):
            if kind in path.parent.name:
                by_name.setdefault(path.stem.split("_")[0], {})[kind] = path
    found = [(v["neutral"], v["smiling"]) for _, v in sorted(by_name.items()) if len(v) == 2]
    return found[-last:] if last else found


def score_pair(neutral: U8, smiling: U8, nets: FaceNetworks, embed: metrics.Embed | None,
               methods: Sequence[str] = METHODS) -> tuple[dict[str, Row], U8]:  # fmt: skip
    """Score every method; returns the figures and a row to look at: neutral, warp, engine (and so on), smile.

    Both pictures (H, W, 3) of one size. Raises UserError when there is no face.
    """
    source = analyse(neutral, "the neutral portrait", nets)
    driver = [neutral, neutral, *[smiling] * HELD_FRAMES]
    seen, points, _ = Replay(None, nets).track(driver, 30.0)
    truth = points[-1]
    if truth is None:
        raise UserError("the smiling portrait", "no face found in it", "leave the pair out")
    shown = {"hold": source.image}
    shown |= {m: Replay(engine_puppet(source, m)[0], nets).show(seen)[-1] for m in methods if m != "hold"}
    rows: dict[str, Row] = {}
    for name, got in shown.items():
        rows[name] = {
            "mouth_l1": metrics.region_l1(smiling, got, truth, metrics.LIPS),
            "mouth_sharp": perceptual.region_sharpness(smiling, got, truth, metrics.LIPS),
            "csim": None if embed is None else metrics.likeness(embed, smiling, [got], 1),
        }
    return rows, np.hstack([neutral, *(shown[m] for m in methods if m != "hold"), smiling])


def score_pairs(pairs: Sequence[tuple[Path, Path]], nets: FaceNetworks, embed: metrics.Embed | None,
                sheet: Path | None = None, methods: Sequence[str] = METHODS) -> dict[str, dict[str, Row]]:  # fmt: skip
    """Score pairs by name; with `sheet` also write a picture of them (portraits of the set: look at its licence)."""
    out: dict[str, dict[str, Row]] = {}
    cells = []
    for a, b in pairs:
        neutral, smiling = read_still(a), read_still(b)
        if smiling.shape != neutral.shape:
            smiling = np.asarray(cv2.resize(smiling, neutral.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
        try:
            out[a.stem], row = score_pair(neutral, smiling, nets, embed, methods)
        except UserError:
            continue
        cells.append(cv2.resize(row, ((len(methods) + 1) * 300, 300), interpolation=cv2.INTER_AREA))
    if sheet is not None and cells:
        cv2.imwrite(str(sheet), np.vstack(cells)[:, :, ::-1])
    return out
