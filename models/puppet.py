"""The source face on its strings: params in, the finished picture out. It never sees a frame of the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kernels.cpu import render_composite
from kernels.edges import EdgeTable, edge_table, smooth_edges
from models import lids, rotation, transfer
from models.crown import complete_crown
from models.eyeball import GROWS
from models.face import F32, F64, I32, U8, FaceParams
from models.inner_light import own_light
from models.interior import Patch, cover, eye_patch, gaze_shift, mouth_patch, parting
from models.morphable import EYES, INNER_LIPS, LOWER_INNER_LIP, N_MESH, UPPER_INNER_LIP, Morphable, load_morphable
from models.readback import Readback
from models.resting import settle
from models.rim import Rim, build_rim, rim_shift
from models.shell import Shell, build_shell, pose_shell
from models.source import SourceFace
from models.transfer import Gains

_FINE_BELOW_PX = 800  # pictures up to this size are held twice as fine, so that one bilinear tap keeps their edges
_FAR_BEHIND_PX = 10_000.0
# upper and lower points in pairs, then the corners of each opening
PAIRS = (*(np.array([*e.upper[1:-1], *e.lower[1:-1], *e.corners]) for e in EYES), np.array([13, 14, 78, 308]))
OPENED = (GROWS, GROWS, 0.12)  # so much wider, over its width, each opening shows nothing of the photo's strip alone
_OPENINGS = (*(list(e.contour) for e in EYES), list(INNER_LIPS))  # one for each patch of a sheet
Mark = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Sheet:
    """The mesh with everything that never changes: texture atlas, where each vertex takes it, triangles."""

    atlas: F32  # (Ha, Wa, 4) colour premultiplied by alpha 0..255, alpha 0..1
    atlas_xy: F32  # (V, 2) px in the atlas
    triangles: I32  # (T, 3)
    fine: int  # atlas px in a px of the picture
    shell: Shell
    rim: Rim
    patches: tuple[Patch, ...]  # left eye, right eye, mouth
    corners: tuple[tuple[int, int], ...]  # px of the atlas where each patch's texture begins, x and y


class Puppet:
    """Renders one prepared source at any params."""

    def __init__(self, source: SourceFace, gains: Gains | None = None, threads: int | None = None,
                 generator: Any = None) -> None:  # fmt: skip
        self.source = source
        self.plate = source.plate  # shown behind the person; may be exchanged between two pictures
        self._model = load_morphable()
        self._threads = threads
        self.generator = generator
        self.readback: Readback | None = None  # where lids are to be aimed; geometry alone goes without
        self._gains = gains or Gains()
        self._vector = transfer.gain_vector(self._model, self._gains)
        self._camera = source.camera
        self._rest = (source.head + self._model.offsets(source.params.expression)).astype(np.float32)
        self._lip_gap = _lip_gaps(self._rest)
        self._sheet = build_sheet(source, self._model, self._rest)
        h, w = source.image.shape[:2]
        self._depth: F32 = np.empty((h, w), np.float32)
        self._edges = visible_edges(self._sheet)
        self._widening = list(widening(self._sheet, source.points))
        self._opened = [0.0] * 3  # share of each patch's opened texture in the atlas
        self._posed: tuple[F32, F32] | None = None  # vertices (V, 3) of the picture warped last, their texture (V, 2)
        self._veil: F32 | None = None  # the atlas without colour, made when opacity is first asked for
        self._own = source.params.with_(light=own_light(source.image, source.points))
        self._fresh = False  # whether the generator is to forget what it painted before
        self._rested = False  # whether the generator knows what the photo looks like at rest

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        return self.source.image.shape[1], self.source.image.shape[0]

    def retarget(self, driver: FaceParams, neutral: FaceParams, gains: Gains | None = None, *,
                 absolute: bool = False) -> FaceParams:  # fmt: skip
        """Params of the source for a driver's params, see `transfer.retarget` and `resting.settle`."""
        neutral = neutral if absolute else settle(neutral, self.source.params)
        vector = self._vector if gains is None or gains == self._gains else transfer.gain_vector(self._model, gains)
        return transfer.retarget(self._own, driver, neutral, gains or self._gains, vector, absolute=absolute)

    def vertices(self, params: FaceParams) -> F32:
        """Every vertex of the sheet at the target, (V, 3) px with nearness; the first 468 are the face mesh."""
        head = self.head(params)
        s, cam = self._sheet, self._camera
        face = cam.project(head[:N_MESH], params)
        loop = s.shell.outline
        shell = pose_shell(s.shell, self.source.params, params, cam, face[loop, :2], self._rest[loop])
        jaw = (head[152] - self._rest[152]).astype(np.float32)
        parts = [face, shell]
        down = rotation.matrix(params.rotation)[:2, 1]
        down = down / max(1e-6, float(np.linalg.norm(down)))
        for i, patch in enumerate(s.patches):
            v = patch.head + patch.jaw[:, None] * jaw * np.array([0.6, 1.0, 0.0], np.float32)
            if i < 2:
                v[:, :2] += patch.bump[:, None] * gaze_shift(self.source.params, params, i)
            moved = cam.project(v, params)
            # Behind all skin: a flat patch would pierce the curved corners of mouth and eyes.
            moved[:, 2] -= _FAR_BEHIND_PX + 100.0 * patch.jaw  # upper teeth close over the lower
            cover(moved, patch.columns, face[_OPENINGS[i], :2], down)
            parts.append(moved)
        return np.concatenate(parts)

    def head(self, params: FaceParams) -> F32:
        """The source's head at an expression, (478, 3) mm: lids meet when shut, lips never cross."""
        head = (self.source.head + self._model.offsets(params.expression)).astype(np.float32)
        close_lids(head, lids.read_units(params.expression), self.source.lid_gap)
        if self.readback is not None and self.generator is not None:
            self.readback.aim(head, params.expression)
        part_lips(head, self._lip_gap)
        return head

    def warp(self, params: FaceParams, out: U8 | None = None) -> tuple[U8, F32]:
        """Map the source to a pose without the generator: the picture (H, W, 3) and the vertices (V, 3)."""
        v, s = self.vertices(params), self._sheet
        frame = np.empty_like(self.source.image) if out is None else out
        xy = s.atlas_xy.copy()
        self._open_up(v)
        larger = float(self.source.params.translation[2] / params.translation[2])
        xy[s.rim.ids] += np.float32(s.fine) * rim_shift(s.rim, v, larger)
        render_composite(v, xy, s.triangles, s.atlas, self.plate, frame, depth=self._depth,
                         threads=self._threads)  # fmt: skip
        smooth_edges(self._edges, v, s.triangles, self._depth, frame)
        self._posed = v, xy
        return frame, v

    def _open_up(self, v: F32) -> None:
        """Show what a wider opening than the photo's is to show, as far as it is wider; v (V, 3) px."""
        for i, own, at, closed, more in self._widening:
            share = round(16.0 * min(max((parting(v, PAIRS[i]) - own) / OPENED[i], 0.0), 1.0)) / 16.0
            if share != self._opened[i]:
                self._opened[i] = share
                np.add(closed, np.float32(share) * more, out=at)

    def matte(self) -> U8:
        """Return the person's opacity 0..255 (H, W) in the picture warped last; the generator paints inside it."""
        assert self._posed is not None, "nothing was warped yet"
        s, (v, xy) = self._sheet, self._posed
        if self._veil is None:
            self._veil = np.zeros_like(s.atlas)
            self._veil[..., 3] = s.atlas[..., 3]
        clear = np.full_like(self.source.image, 255)
        render_composite(v, xy, s.triangles, self._veil, clear, clear, threads=self._threads)
        smooth_edges(self._edges, v, s.triangles, self._depth, clear)
        return np.asarray(255 - clear[..., 0], np.uint8)

    def draw(self, params: FaceParams) -> tuple[U8, F32]:
        """Map the source to a pose and finish it as a picture that stands for itself: (H, W, 3) and vertices (V, 3)."""
        frame, v = self.warp(params)
        if self.generator is not None:
            self.generator.forget()
            self.generator.paint(frame, v[:N_MESH], params.light)
            self.generator.forget()
        return frame, v

    def forget(self) -> None:
        """Let the next picture stand for itself: another driver."""
        self._fresh = True

    def begin(self, params: FaceParams) -> Callable[[], U8]:
        """Map the source to a pose, and return what finishes that picture, (H, W, 3), a new array.

        Pictures must be finished in the order they were begun, one at a time; that may be in another thread.
        """
        generator = self.generator
        if getattr(generator, "whole", False):
            frame, v = np.empty_like(self.source.image), self.vertices(params)
        else:
            if generator is not None and not self._rested:  # not before: what reads the paint wants to see all of it
                frame, v = self.warp(self.source.params)
                generator.rest_on(frame, v[:N_MESH])
                self._rested = True
            frame, v = self.warp(params)

        fresh, self._fresh = self._fresh, False

        def finish() -> U8:
            if generator is not None:
                if fresh:
                    generator.forget()
                generator.paint(frame, v[:N_MESH], params.light)
            return frame

        return finish

    def render(self, params: FaceParams, mark: Mark | None = None) -> U8:
        """Render the source at its own params, (H, W, 3), a new array; `mark` is called as each stage ends."""
        finish = self.begin(params)
        if mark is not None:
            mark("map")
        frame = finish()
        if mark is not None:
            mark("generate")
            mark("compose")
        return frame


def build_sheet(source: SourceFace, model: Morphable, rest: F32) -> Sheet:
    """Assemble atlas, mesh, shell and patches of a source; rest (478, 3) mm is its head with its expression."""
    from models.plate import premultiplied_person

    cam = source.camera
    h, w = source.image.shape[:2]
    person = premultiplied_person(source.image, source.matte, source.plate)
    solid = np.maximum(source.matte, person[..., 3])  # opacity is raised where the matte missed something
    iod = float(np.linalg.norm(source.points[33, :2] - source.points[263, :2]))
    crown = complete_crown(person, source.matte, float(source.points[168, 0]), iod)
    above = len(crown)
    person = np.concatenate([crown, person])
    shell = build_shell(source.points, source.params, cam, np.concatenate([crown[..., 3], solid]), rest[:N_MESH], above)
    patches = (*(eye_patch(source.image, source.points, rest, source.params, cam, e) for e in EYES),
               mouth_patch(source.image, source.points, rest, source.params, cam))  # fmt: skip
    fine = 2 if max(h, w) <= _FINE_BELOW_PX else 1
    if fine == 2:
        m = np.array([[2.0, 0, 0], [0, 2.0, 0]])
        size = (2 * w - 1, 2 * (above + h) - 1)
        person = cv2.warpAffine(person, m, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # patches stand in a strip to the right of the picture
    strip_w = max(p.texture.shape[1] for p in patches) + 2
    strip_h = sum(p.texture.shape[0] + 2 for p in patches)
    atlas = np.zeros((max(person.shape[0], strip_h), person.shape[1] + strip_w, 4), np.float32)
    atlas[: person.shape[0], : person.shape[1]] = person
    raised = np.array([0.0, above], np.float32)  # from the picture to the atlas
    xy = [(source.points[:N_MESH, :2] + raised) * fine, (shell.points + raised) * fine]
    tri = [model.triangles, shell.triangles]
    base, y = N_MESH + len(shell.points), 1
    corners = []
    for p in patches:
        ph, pw = p.texture.shape[:2]
        x = person.shape[1] + 1
        atlas[y : y + ph, x : x + pw, :3] = p.texture
        atlas[y : y + ph, x : x + pw, 3] = 1.0
        xy.append(p.texture_xy + np.array([x, y], np.float32))
        tri.append(p.triangles + base)
        corners.append((x, y))
        base += len(p.texture_xy)
        y += ph + 2
    return Sheet(atlas, np.concatenate(xy).astype(np.float32), np.concatenate(tri).astype(np.int32), fine, shell,
                 build_rim(source.points, solid, iod), patches, tuple(corners))  # fmt: skip


def widening(sheet: Sheet, points: F32) -> Iterator[tuple[int, float, F32, F32, F32]]:
    """Go through the patches that look different when wider: number, how wide in the photo, their part of the atlas,
    what it shows there and what is to be added; points (478, 2 or more) px of the photo.
    """
    for i, patch in enumerate(sheet.patches):
        if patch.opened is None:
            continue
        more = patch.opened - patch.texture
        rows = np.flatnonzero(more.any((1, 2)))
        if not len(rows):
            continue
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        x, y = sheet.corners[i]
        h, w = patch.texture.shape[:2]
        yield i, parting(points, PAIRS[i]), sheet.atlas[y : y + h, x : x + w, :3][part], patch.texture[part], more[part]


def visible_edges(sheet: Sheet) -> EdgeTable:
    """Edges of a sheet that show something: mixing pixels along a transparent one would stir the background."""
    table = edge_table(sheet.triangles, sheet.atlas_xy)
    a, b = (sheet.atlas_xy[table.vertices[:, i]] for i in range(2))
    h, w = sheet.atlas.shape[:2]
    seen = np.zeros(len(a), bool)
    for t in np.linspace(0.0, 1.0, 9):
        x = np.clip(np.rint(a + t * (b - a)).astype(int), 0, [w - 1, h - 1])
        seen |= sheet.atlas[x[:, 1], x[:, 0], 3] > 0.0
    return EdgeTable(table.vertices[seen], table.triangles[seen], table.winding)


def close_lids(head: F32, closed: F64, gap: F64) -> None:
    """Bring the lids (478, 3) to a signed closure (2,): the gap becomes its share of the open gap, shut is touching."""
    want = lids.wide_limit(gap * lids.gap_ratio(closed), gap)
    for eye, target in zip(EYES, want, strict=True):
        now = lids.eye_openness(head, eye)
        if now < 1e-4:
            continue
        k = np.float32(np.clip(target / now, 0.0, 1.6))
        up, low = list(eye.upper), list(eye.lower)
        d = head[up] - head[low]
        line = head[low] + 0.2 * (d - k * d)
        head[low] = line
        head[up] = line + k * d


def _lip_gaps(head: F32) -> F32:
    return np.asarray(head[list(LOWER_INNER_LIP), 1] - head[list(UPPER_INNER_LIP), 1])


def part_lips(head: F32, rest_gap: F32) -> None:
    """Keep the inner lips (478, 3) from crossing farther than they do in the photo; both give way alike."""
    up, low = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
    over = np.minimum(rest_gap, 0.0) - (head[low, 1] - head[up, 1])
    push = 0.5 * np.maximum(over, 0.0)
    head[up, 1] -= push
    head[low, 1] += push
