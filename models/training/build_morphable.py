"""Build the morphable model of `models/morphable.py` from measured landmarks and the CC0 face units.

`python -m models.training.build_morphable --cache CACHE --units UNITS.npz --out models/data/morphable.npz`

1. Landmarks of every frame are brought into the head frame by a weighted similarity on the points that move least.
2. The 52 units are a ridge regression of head-space motion on MediaPipe's scores within each person, mirrored copies
   included, drawn towards the CC0 MakeHuman units (`embed_units.py`), so a unit the clips never show keeps that shape.
3. What the units leave over is spanned by principal components: the learned part of the expression.
   eyeBlink and eyeWide are not MediaPipe's scores but the measured closure of the lids (`models/lids.py`): 1 is shut.
4. Identity components are the principal components of every person's expression-free head.
"""

from __future__ import annotations

import argparse
import logging
import zipfile
from pathlib import Path

import numpy as np

from models import lids
from models.assets import asset_path
from models.motion import N_LEARNED

log = logging.getLogger("build_morphable")
IOD_MM = 90.0  # distance of the outer eye corners (landmarks 33, 263) that fixes the unit of length
N_IDENTITY = 30
# Clips whose licence forbids training; they are measured with, never learned from.
NOT_FOR_TRAINING = ("lia_",)
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)


def canonical(task_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the canonical face (468, 3) mm, x right, y down, z into the head, and its triangles (898, 3)."""
    data = zipfile.ZipFile(task_file).read("geometry_pipeline_metadata_landmarks.binarypb")
    mesh = next(v for f, v in _fields(data) if f == 1)
    floats = b"".join(v for f, v in _fields(mesh) if f == 3)
    vertices = np.frombuffer(floats, "<f4").reshape(-1, 5)[:, :3] * np.array([10.0, -10.0, -10.0])
    triangles = np.array([v for f, v in _fields(mesh) if f == 4]).reshape(-1, 3)
    return vertices * (IOD_MM / np.linalg.norm(vertices[33] - vertices[263])), triangles


def _fields(b: bytes) -> list[tuple[int, bytes | int]]:
    def varint(i: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (b[i] & 127) << shift
            shift += 7
            i += 1
            if b[i - 1] < 128:
                return value, i

    out: list[tuple[int, bytes | int]] = []
    i = 0
    while i < len(b):
        key, i = varint(i)
        if key & 7 == 0:
            value, i = varint(i)
            out.append((key >> 3, value))
        else:
            n, i = (4, i) if key & 7 == 5 else varint(i)
            out.append((key >> 3, b[i : i + n]))
            i += n
    return out


def similarity(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Weighted similarity y ~ s R x + t (Umeyama 1991)."""
    w = w / w.sum()
    mx, my = w @ x, w @ y
    u, d, vt = np.linalg.svd((x - mx).T @ ((y - my) * w[:, None]))
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    r = (u * flip @ vt).T
    s = float((d * flip).sum() / (w @ ((x - mx) ** 2).sum(1)))
    return s, r, my - s * r @ mx


def to_head(points: np.ndarray, mean: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Bring landmarks (n, 478, 3) px into the head frame of `mean`, mm."""
    out = np.empty_like(points, np.float64)
    for i, p in enumerate(points.astype(np.float64)):
        s, r, t = similarity(mean[:468], p[:468], w)
        out[i] = (p - t) @ r / s
    return out


def mirror_map(mean: np.ndarray) -> np.ndarray:
    """Index of every landmark's mirror partner, (478,)."""
    m = mean * np.array([-1.0, 1.0, 1.0])
    partner = np.argmin(((m[:, None] - mean[None]) ** 2).sum(-1), axis=1)
    for i in np.flatnonzero(partner[partner] != np.arange(len(mean))):  # two points nearer than the asymmetry is large
        claims = np.flatnonzero(partner == i)
        if len(claims) == 1:
            partner[i] = claims[0]
    return partner


def build(cache: Path, units_prior: np.ndarray, task_file: Path, prior_weight: float = 0.02) -> dict[str, np.ndarray]:
    """Return the arrays of the model file (see `models/morphable.py`)."""
    shape, triangles = canonical(task_file)
    stills = np.load(cache / "stills.npz")
    mean, w = np.vstack([shape, np.zeros((10, 3))]), np.ones(468)
    for _ in range(6):
        heads = to_head(stills["points"], mean, w)
        mean = np.median(heads, axis=0)
        mean *= IOD_MM / np.linalg.norm(mean[33] - mean[263])
        w = 1.0 / (heads[:, :468].std(0).mean(1) ** 2 + 0.5)
    sym = mirror_map(0.5 * (mean + mean[mirror_map(mean)] * [-1, 1, 1]))
    mean = 0.5 * (mean + mean[sym] * [-1, 1, 1])
    # origin between the outer eye corners
    mean -= np.array([0.0, mean[[33, 263], 1].mean(), mean[[33, 263], 2].mean()])

    rows = []
    for f in sorted(cache.glob("clip_*.npz")):
        if not f.stem[5:].startswith(NOT_FOR_TRAINING):
            with np.load(f) as z:
                step = max(1, len(z["points"]) // 300)
                rows.append((z["points"][::step], z["scores"][::step]))
    # The skull is what moves least within a person once the pose is right; the pose is right once the skull is known.
    for _ in range(3):
        clips = [(_own_heads(points, mean, w), scores) for points, scores in rows]
        moved = np.mean([h[:, :468].var(0).sum(1) for h, _ in clips], axis=0)
        w = 1.0 / (moved + moved[sym[:468]] + 0.3)
    clips = [(_own_heads(points, mean, w), scores) for points, scores in rows]
    clips = [(h, _with_lids(h, scores)) for h, scores in clips]
    pairs = _pairs(stills, mean, w)
    log.info("%d clips with %d frames, %d pairs of stills", len(clips), sum(len(h) for h, _ in clips), len(pairs))

    swap = _unit_swap()
    x_rows, y_rows = [], []
    for h, s in clips + pairs:
        k = 1.0 / np.sqrt(len(h)) if len(h) > 2 else 0.35
        dh, ds = (h - h.mean(0)) * k, (s - s.mean(0)) * k
        x_rows += [ds, ds[:, swap]]
        y_rows += [dh.reshape(len(h), -1), (dh[:, sym] * [-1, 1, 1]).reshape(len(h), -1)]
    x, y = np.concatenate(x_rows), np.concatenate(y_rows)
    # Prior at the size that scores have: a unit at 1 is rare, and both scales agree to within a factor.
    prior = units_prior.reshape(52, -1)
    a = x.T @ x + prior_weight * np.eye(52)
    units = np.linalg.solve(a, x.T @ y + prior_weight * prior)
    rest = y - x @ units
    _, sv, vt = np.linalg.svd(rest, full_matrices=False)
    sd = sv / np.sqrt(2 * len(clips))
    learned = vt[:N_LEARNED] * sd[:N_LEARNED, None]
    log.info("learned components, mm: %s ... %s", np.round(sd[:3], 2), np.round(sd[N_LEARNED - 2 : N_LEARNED], 2))

    heads = to_head(stills["points"], mean, w)
    scores = np.stack([_with_lids(h[None], s[None])[0] for h, s in zip(heads, stills["scores"], strict=True)])
    free = heads - (scores @ units).reshape(heads.shape)
    people = [free[i] for i in range(len(free))]
    people += [(h - (s @ units).reshape(h.shape)).mean(0) for h, s in clips]
    n = np.array(people)
    n = np.concatenate([n, n[:, sym] * [-1, 1, 1]])
    base = n.mean(0)
    _, sv, vt = np.linalg.svd((n - base).reshape(len(n), -1), full_matrices=False)
    identity = vt[:N_IDENTITY] * (sv[:N_IDENTITY, None] / np.sqrt(len(n)))
    holes = [set(INNER_LIPS), set(RIGHT_EYE), set(LEFT_EYE)]
    keep = [not any(set(t.tolist()) <= hole for hole in holes) for t in triangles]
    return {
        "mean": base.astype(np.float32),
        "identity": identity.reshape(-1, 478, 3).astype(np.float16),
        "units": units.reshape(52, 478, 3).astype(np.float16),
        "learned": learned.reshape(-1, 478, 3).astype(np.float16),
        "rigid": (w / w.max()).astype(np.float32),
        "mirror": sym.astype(np.int16),
        "triangles": triangles[keep].astype(np.int16),
    }


def _own_heads(points: np.ndarray, mean: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Head-space landmarks (n, 478, 3) of a clip, aligned on the own head: no identity in the pose."""
    own, h = mean, points
    for _ in range(3):
        h = to_head(points, own, w)
        own = np.median(h, axis=0)
        own = own * (IOD_MM / np.linalg.norm(own[33] - own[263]))
    return h


def _pairs(stills: np.lib.npyio.NpzFile, mean: np.ndarray, w: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    names = [str(n) for n in stills["names"]]
    by_id: dict[str, list[int]] = {}
    for i, n in enumerate(names):
        if n.startswith("london_"):
            by_id.setdefault(n.split("/")[1].split("_")[0], []).append(i)
    out = []
    for ij in by_id.values():
        if len(ij) == 2:
            heads = to_head(stills["points"][ij], mean, w)
            out.append((heads, _with_lids(heads, stills["scores"][ij])))
    return out


def _with_lids(heads: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Put the measured closure of the lids in the place of the scores for blink and wide eyes."""
    gaps = np.stack([lids.openness(h) for h in heads])
    reference = np.percentile(gaps, 75, axis=0) if len(heads) > 2 else gaps.max(0)
    s = scores.astype(np.float64).copy()
    for row, gap in zip(s, gaps, strict=True):
        lids.write_units(row, gap / reference)
    return s


def _unit_swap() -> np.ndarray:
    from models.face import UNITS

    def partner(name: str) -> str:
        if name.endswith("Left"):
            return name[:-4] + "Right"
        return name[:-5] + "Left" if name.endswith("Right") else name

    return np.array([UNITS.index(partner(u)) for u in UNITS])


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", type=Path, required=True)
    ap.add_argument("--units", type=Path, help="npz with `units` (52, 478, 3) mm from embed_units.py")
    ap.add_argument("--out", type=Path, default=Path("models/data/morphable.npz"))
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prior = np.load(a.units)["units"].astype(np.float64) if a.units else np.zeros((52, 478, 3))
    a.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(a.out, **build(a.cache, prior, asset_path("face_landmarker.task")))
    log.info("wrote %s, %d kB", a.out, a.out.stat().st_size // 1000)


if __name__ == "__main__":
    main()
