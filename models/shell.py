"""The shell: hair, ears, neck and shoulders as a mesh around the face that follows the head and fades into the body.

Shell vertices near the face take over its outline's own motion, so the skin never tears; farther out they turn rigidly
with the head at the depth of the skull; below the chin the turn fades out first, the sway of the neck fades slowly
towards the bottom of the picture. Where a picture's edge cuts the person, nothing is pulled in from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models import rotation
from models.crown import TOUCH_IOD
from models.face import F32, F64, I32, FaceParams
from models.fitting import Camera
from models.morphable import FACE_OVAL, N_MESH

PIVOT_MM = np.array([0.0, 95.0, 75.0])  # where the skull turns on the neck, head frame
SPACING_IOD = 0.17
OUTLINE_REACH_IOD = 0.45  # how far the jaw's own motion reaches into hair and neck
SKULL_MM = np.array([0.0, -15.0, 90.0])  # middle of the skull, head frame: hair turns about it (docs/decisions/0005)
BEHIND_MM = 150.0  # no hair that one photo shows beside the face comes before the face by a turn
_EDGE_PIN_IOD = 0.8
_THIN_IOD = (0.01, 0.12)  # so much beside the face is a soft rim; so much is hair or an ear
_EVEN_IOD = 0.25  # how far the choice between the two is evened out along the outline ...
_EVEN_DOWN_MM = (20.0, 50.0)  # ... above the lobe of the ear, head frame; below it a bare jaw keeps its own


@dataclass(frozen=True, eq=False)
class Shell:
    """Vertices around the face, px of the source picture, with what they follow."""

    points: F32  # (S, 2) px
    head: F32  # (S, 3) mm, head frame, at the depth they turn with
    rim: F32  # (S,) 0..1 how far they are on the way from the face's outline to the person's
    turn: F32  # (S,) 0..1 share of the head's rotation about the neck
    sway: F32  # (S,) 0..1 share of the neck's translation and scale
    outline: I32  # (L,) mesh vertices that bound the face
    follow: F32  # (S, L) share of each outline vertex's own motion
    pin: F32  # (S, 4) room at the left, right, top and bottom edge: 0 holds an inward motion, 1 lets it
    triangles: I32  # (T, 3) into [mesh 0..467 | shell 468..]


def smoothstep(lo: float, hi: float, x: F32) -> F32:
    """Cubic step from 0 at `lo` to 1 at `hi`."""
    t = np.clip((x - lo) / (hi - lo), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def face_outline(points: F32) -> I32:
    """Mesh vertices that bound the face in the picture: the face oval, or the hull where a turn folds the oval.

    points (468+, 2) px.
    """
    oval = np.array(FACE_OVAL, np.int32)
    hull = cv2.convexHull(points[:N_MESH].astype(np.float32), returnPoints=False).ravel().astype(np.int32)
    poly = points[oval].astype(np.float32)
    hull_area = cv2.contourArea(points[hull].astype(np.float32))
    inside = [cv2.pointPolygonTest(poly.reshape(-1, 1, 2), (float(x), float(y)), True) for x, y in points[:N_MESH]]
    slack = 0.004 * float(np.ptp(poly[:, 1]))
    folded = min(inside) < -slack or cv2.contourArea(poly) < 0.85 * hull_area
    return hull if folded else oval


def build_shell(points: F32, params: FaceParams, camera: Camera, matte: F32, mesh_head: F32, above: int = 0) -> Shell:
    """Lay the shell over a source picture.

    points (478, 3) px; params, camera of the source; matte (above + H, W) 0..1, whose first `above` rows lie above the
    picture (`models.crown`); mesh_head (468, 3) mm, the source mesh in the head frame with its expression.
    """
    h, w = matte.shape[0] - above, matte.shape[1]
    iod = camera.focal_px / params.translation[2] * 90.0
    spacing = SPACING_IOD * iod
    reach = int(0.22 * iod) | 1
    region = cv2.dilate((matte > 0.02).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    loop = face_outline(points[:, :2])
    poly = points[loop, :2].astype(np.float32)
    xs = np.linspace(-0.5, w - 0.5, max(3, int(np.ceil(w / spacing)) + 1))
    ys = np.linspace(-0.5 - above, h - 0.5, max(3, int(np.ceil((h + above) / spacing)) + 1))
    gx, gy = np.meshgrid(xs, ys)
    gx = gx.copy()
    gx[1::2, 1:-1] += 0.5 * (xs[1] - xs[0])  # staggered rows: better shaped triangles
    gx[:, -2] = np.minimum(gx[:, -2], xs[-1] - 0.4 * (xs[1] - xs[0]))
    grid = np.column_stack([gx.ravel(), gy.ravel()]).astype(np.float32)
    raised = np.array([0.0, above], np.float32)  # from the picture to the matte
    near = np.clip(np.rint(grid + raised).astype(int), 0, [w - 1, h + above - 1])
    distance = np.array([cv2.pointPolygonTest(poly.reshape(-1, 1, 2), (float(x), float(y)), True) for x, y in grid])
    keep = region[near[:, 1], near[:, 0]] & (distance < -0.13 * iod)
    grid = grid[keep]

    tri = _triangulate(poly, grid, loop, 2.6 * spacing)
    shell_px = grid
    # depth: continues the outline near the face, the skull's farther out
    d = np.linalg.norm(shell_px[:, None] - poly[None], axis=2)
    near_w = 1.0 / (d + 0.02 * iod) ** 2
    near_w /= near_w.sum(1, keepdims=True)
    r = rotation.matrix(params.rotation)
    dist = d.min(1)
    z_line = near_w @ (mesh_head[loop] @ r[2])
    level = _unprojected(shell_px, z_line, params, camera)[:, 1].astype(np.float32)
    rim = skull_share(shell_px + raised, dist, matte, iod, level)
    head = _unprojected(shell_px, z_line + (SKULL_MM @ r[2] - z_line) * rim, params, camera)
    follow = (near_w * (1.0 - smoothstep(0.0, OUTLINE_REACH_IOD, dist / iod))[:, None]).astype(np.float32)

    down = r[:2, 1] / max(1e-6, float(np.linalg.norm(r[:2, 1])))
    side = np.array([down[1], -down[0]])
    chin = points[152, :2]
    u = ((shell_px - chin) @ down / iod).astype(np.float32)
    v = np.abs((shell_px - chin) @ side / iod).astype(np.float32)
    turn = 1.0 - smoothstep(-0.15, 0.85, u + 0.35 * smoothstep(0.9, 2.2, v) * (u > -0.5))
    room = max(float((h - 0.5 - chin[1]) / iod), 1.2)
    sway = 1.0 - smoothstep(0.15, max(min(room, 4.0), 1.6), u + 0.25 * smoothstep(1.0, 2.5, v) * (u > 0))
    return Shell(shell_px.astype(np.float32), head.astype(np.float32), rim, turn, sway, loop, follow,
                 _pins(shell_px + raised, matte, iod), tri)  # fmt: skip


def pose_shell(
    shell: Shell, source: FaceParams, target: FaceParams, camera: Camera, outline_to: F32, outline_head: F32,
) -> F32:  # fmt: skip
    """Move the shell to a target pose, (S, 3) px with nearness.

    outline_to (L, 2) px: the outline at the target; outline_head (L, 3) mm at the source's expression.
    """
    r_s, r_t = rotation.matrix(source.rotation), rotation.matrix(target.rotation)
    pivot = target.with_(rotation=source.rotation, translation=_pivoted(target, r_s, r_t))
    swayed = camera.project(shell.head, pivot)[:, :2] - shell.points
    full = camera.project(shell.head, target)
    full[:, :2] += (
        shell.rim[:, None] * _rounded(shell.head, r_s, r_t) * np.float32(camera.focal_px / target.translation[2])
    )
    turned = full[:, :2] - shell.points - swayed
    own = outline_to - camera.project(outline_head, target)[:, :2]
    move = shell.sway[:, None] * swayed + shell.turn[:, None] * turned + shell.follow @ own
    for axis, (low, high) in enumerate(((0, 1), (2, 3))):
        m = move[:, axis]
        move[:, axis] = np.where(m > 0, m * shell.pin[:, low], m * shell.pin[:, high])
    out = np.empty((len(shell.points), 3), np.float32)
    out[:, :2] = shell.points + move
    out[:, 2] = full[:, 2] - BEHIND_MM * camera.focal_px / target.translation[2]
    return out


def skull_share(px: F32, beyond: F32, matte: F32, iod: float, level: F32) -> F32:
    """Share (S,) of the way from the face's own depth to the skull's for points (S, 2) px around a face.

    `beyond` (S,) px from the face's outline; matte (H, W) 0..1; `level` (S,) mm below the eyes, head frame. It rises
    evenly towards the person's outline, which is the skull's however short the hair, and stays 0 where the face itself
    is the outline: to turn a jaw's soft rim at the skull's depth would smear it.
    """
    h, w = matte.shape
    solid = (matte > 0.5).astype(np.uint8)
    x = np.clip(np.rint(px).astype(int), 0, [w - 1, h - 1])
    inner = cv2.distanceTransform(np.pad(solid, 1), cv2.DIST_L2, 5)[1:-1, 1:-1][x[:, 1], x[:, 0]]
    outer = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)[x[:, 1], x[:, 0]]
    thick = beyond + inner - outer  # of hair, ear or neck between the face and the background
    along = beyond / np.maximum(beyond + inner, 1e-3)
    full = smoothstep(*_THIN_IOD, thick / iod)
    # Hair above an ear that hardly stands off would leave it behind like a horn, as that side turns into view.
    near = np.exp(-0.5 * (np.linalg.norm(px[:, None] - px[None], axis=2) / (_EVEN_IOD * iod)) ** 2) * (inner > 0)
    even = (near @ full + 1e-6 * full) / (near.sum(1) + 1e-6)
    full += (1.0 - smoothstep(*_EVEN_DOWN_MM, level)) * (even - full)
    share = along * smoothstep(0.0, 0.12, beyond / iod) * full
    return np.asarray(share, np.float32)


def _pins(px: F32, matte: F32, iod: float) -> F32:
    """Room (S, 4) of points (S, 2) px at the left, right, top and bottom edge of a matte (H, W): 0 holds, 1 lets go.

    Only where an edge cuts the person: hair that ends inside the picture has something behind it and may move freely.
    """
    h, w = matte.shape
    x, y = px[:, 0], px[:, 1]
    near = np.clip(np.rint(px).astype(int), 0, [w - 1, h - 1])
    rim = max(2, round(TOUCH_IOD * iod))
    reach = 2 * int(0.4 * iod) + 1
    pin = np.empty((len(px), 4), np.float32)
    for i, (room, border, at) in enumerate((
        (x + 0.5, matte[:, :rim].max(1), near[:, 1]), (w - 0.5 - x, matte[:, -rim:].max(1), near[:, 1]),
        (y + 0.5, matte[:rim].max(0), near[:, 0]), (h - 0.5 - y, matte[-rim:].max(0), near[:, 0]),
    )):  # fmt: skip
        wide = cv2.dilate(border.reshape(1, -1).astype(np.float32), np.ones((1, reach), np.uint8))
        cut = smoothstep(0.1, 0.6, cv2.blur(wide, (reach, 1), borderType=cv2.BORDER_REPLICATE).ravel())[at]
        pin[:, i] = 1.0 - cut * (1.0 - smoothstep(0.0, _EDGE_PIN_IOD * iod, room))
    return pin


def _pivoted(target: FaceParams, r_s: F64, r_t: F64) -> F64:
    """Translation that carries the neck to its target while the head keeps its source rotation."""
    return np.asarray(target.translation + (r_t - r_s) @ PIVOT_MM * np.array([1.0, 1.0, 0.0]))


def _rounded(head: F32, r_s: F64, r_t: F64) -> F32:
    """What a turn takes from the width of a flat head (S, 3) mm, in the picture, (S, 2) mm, and not from a round one.

    Where a ball ends in the picture, a turn brings other points of it into that place: its outline rolls, no more.
    """
    flat = (r_t @ r_s.T)[:2, :2]
    # the rotation nearest to it (polar decomposition of a 2x2 matrix in closed form)
    c, sn = flat[0, 0] + flat[1, 1], flat[1, 0] - flat[0, 1]
    n = max(float(np.hypot(c, sn)), 1e-9)
    round_ = np.array([[c, -sn], [sn, c]]) / n
    return np.asarray((head - SKULL_MM) @ r_s[:2].T @ (round_ - flat).T, np.float32)


def at_depth(px: F32, z: F32, params: FaceParams, camera: Camera) -> F32:
    """Head-frame points (N, 3) mm that project onto `px` and have head depth `z`."""
    r = rotation.matrix(params.rotation)
    cam = (px - camera.centre) * (params.translation[2] / camera.focal_px) - params.translation[:2]
    # cam_xy = R[:2, :2] v_xy + R[:2, 2] z
    v = np.linalg.solve(r[:2, :2], (cam - np.outer(z, r[:2, 2])).T).T
    return np.column_stack([v, z])


def _unprojected(px: F32, depth: F64, params: FaceParams, camera: Camera) -> F64:
    """Head-frame points (N, 3) mm that project onto `px` and lie `depth` mm behind the head's origin."""
    cam = (px - camera.centre) * (params.translation[2] / camera.focal_px) - params.translation[:2]
    return np.asarray(np.column_stack([cam, depth]) @ rotation.matrix(params.rotation))


def _triangulate(poly: F32, grid: F32, loop: I32, longest: float) -> I32:
    """Delaunay over outline and grid without the inside of the face; ids into [mesh | shell]."""
    pts = np.vstack([poly, grid])
    ids = np.concatenate([loop, N_MESH + np.arange(len(grid))]).astype(np.int32)
    lo, hi = pts.min(0) - 10, pts.max(0) + 10
    sub = cv2.Subdiv2D((int(lo[0]), int(lo[1]), int(hi[0] - lo[0]) + 1, int(hi[1] - lo[1]) + 1))
    seen: dict[tuple[float, float], int] = {}
    for i, (x, y) in enumerate(pts.astype(np.float32)):
        sub.insert((float(x), float(y)))
        seen[(float(x), float(y))] = i
    out = []
    ring = poly.reshape(-1, 1, 2).astype(np.float32)
    for t in np.asarray(sub.getTriangleList()).reshape(-1, 3, 2):
        tri = [seen.get((float(x), float(y)), -1) for x, y in t]
        if min(tri) < 0:
            continue
        c = t.mean(0)
        if cv2.pointPolygonTest(ring, (float(c[0]), float(c[1])), False) > 0:
            continue
        edges = np.linalg.norm(t - np.roll(t, 1, axis=0), axis=1)
        if edges.max() > longest and max(tri) >= len(poly):
            continue
        out.append(ids[tri])
    return np.array(out, np.int32).reshape(-1, 3)
