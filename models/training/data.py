"""Clips and stills to training samples, through the engine's own fit, transfer and warp.

A sample holds the crops of one source and of two neighbouring target frames: what the puppet draws, what the camera
saw, and the geometry. Clips give pairs of frames of one person; a still gives a pair with a copy of itself whose mouth
the puppet has closed; neutral and smiling portraits of one person give a pair each way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models import lids, rotation
from models.face import N_UNITS, UNIT, UNITS, FaceParams
from models.fitting import Camera, Fitter
from models.generator_crop import EYE, MOUTH, crop_matrix, cut, eye_masks, mouth_masks, turn
from models.morphable import EYES, N_POINTS, load_morphable
from models.puppet import Puppet
from models.source import SourceFace
from models.training.register import laid_on

log = logging.getLogger("data")
NOT_FOR_TRAINING = ("lia_",)
HELD_OUT = ("liveportrait_d9", "liveportrait_d11", "retalking_4", "latentsync_1", "tpsmm_driving")
HELD_OUT_STILLS = ("jaime-herrera-beutler",)  # shown by a held-out clip
MAX_IOD_PX = 140.0
Sample = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one person, cut to the face and made no larger than the networks can use."""

    frames: list[np.ndarray]  # each (H, W, 3)
    points: np.ndarray  # (T, 478, 3) px in those frames
    scores: np.ndarray  # (T, 52)


def load_clip(video: Path, cache: Path, limit: int = 700) -> Clip:
    """Read a clip and its measured landmarks (`measure.py`), at most `limit` frames, in order."""
    z = np.load(cache)
    index, points, scores = z["frame"], z["points"].astype(np.float32), z["scores"]
    talk = np.convolve(scores[:, UNIT["jawOpen"]], np.ones(min(limit, len(index))), "valid")
    first = int(np.argmax(talk))  # the stretch that speaks most
    index, points, scores = (a[first : first + limit] for a in (index, points, scores))
    iod = float(np.median(np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1)))
    lo, hi = points[..., :2].min((0, 1)) - 0.8 * iod, points[..., :2].max((0, 1)) + 0.8 * iod
    h, w = (int(v) for v in z["size"])
    x0, y0 = max(0, int(lo[0])), max(0, int(lo[1]))
    x1, y1 = min(w, int(hi[0])), min(h, int(hi[1]))
    k = min(1.0, MAX_IOD_PX / iod)
    size = (round((x1 - x0) * k), round((y1 - y0) * k))
    cap = cv2.VideoCapture(str(video))
    frames, wanted, i = [], {int(v) for v in index}, -1
    while len(frames) < len(index):
        ok, bgr = cap.read()
        if not ok:
            break
        i += 1
        if i in wanted:
            crop = cv2.resize(bgr[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
            frames.append(np.ascontiguousarray(crop[:, :, ::-1]))
    points, scores = points[: len(frames)].copy(), scores[: len(frames)]
    points[..., :2] -= (x0, y0)
    points *= k
    points[..., :2] += (k - 1) / 2
    return Clip(frames, points, scores)


class Maker:
    """Makes samples; holds the fitter and the random state."""

    def __init__(self, seed: int, noise: float = 1.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.fitter = Fitter(load_morphable())
        self.noise = noise

    def source(self, rgb: np.ndarray, points: np.ndarray, scores: np.ndarray) -> SourceFace:
        """Prepare a source from measured landmarks, without matte (the crops lie inside the face)."""
        camera = Camera(rgb.shape[1], rgb.shape[0])
        s = scores.astype(np.float32).copy()
        gaps = lids.openness(points)
        gap = lids.open_reference(gaps, s)
        lids.write_units(s, lids.seen_ratio(gaps, gap, s))
        head, params = self.fitter.identify(points, camera, s)
        return SourceFace(rgb, points, head, params, gap, np.ones(rgb.shape[:2], np.float32), rgb)

    def drive(self, puppet: Puppet, points: np.ndarray, scores: np.ndarray) -> FaceParams:
        """Params that make the puppet do what other landmarks of the same person do."""
        s, src = scores.astype(np.float32).copy(), puppet.source
        lids.write_units(s, lids.seen_ratio(lids.openness(points), src.lid_gap, s))
        p = self.fitter.fit(points, src.camera, src.head, s, None, 6)
        return puppet.retarget(p, src.params)

    def shaken(self, p: FaceParams) -> FaceParams:
        """The params with the noise of a bad camera's tracking."""
        e = p.expression.copy()
        jitter = self.rng.normal(0, 0.025 * self.noise, N_UNITS) * (e[:N_UNITS] > 0.03)
        e[:N_UNITS] = np.clip(e[:N_UNITS] + jitter, 0, 1)
        e[N_UNITS:] += self.rng.normal(0, 0.10 * self.noise, len(e) - N_UNITS)
        q = rotation.multiply(rotation.exp(self.rng.normal(0, 0.006 * self.noise, 3)), p.rotation)
        return p.with_(expression=e.astype(np.float32), rotation=q)

    def sample(self, puppet: Puppet, truths: list[np.ndarray], params: list[FaceParams]) -> Sample:
        """Cut all crops of one source and two targets; see `empty` for the arrays."""
        src, n = puppet.source, len(truths)
        out = empty(n)
        wobble = self._wobble()
        m = crop_matrix(src.points, MOUTH)
        out["mouth_src"] = cut(src.image, self._jitter(m, MOUTH.pixels), MOUTH.pixels)
        for e, eye in enumerate(EYES):
            out["eye_src"][e] = cut(src.image, self._jitter(crop_matrix(src.points, EYE, eye), EYE.pixels), EYE.pixels)
        for t, (truth, p) in enumerate(zip(truths, params, strict=True)):
            warped, v = puppet.warp(p)
            m = crop_matrix(v, MOUTH)
            m = compose(m, wobble, MOUTH.pixels)
            out["mouth_warp"][t] = cut(warped, m, MOUTH.pixels)
            out["mouth_true"][t] = cut(truth, m, MOUTH.pixels)
            out["mouth_mask"][t] = mouth_masks(v, m)
            out["mouth_turn"][t] = turn(v)
            for e, eye in enumerate(EYES):
                m = compose(crop_matrix(v, EYE, eye), wobble, EYE.pixels)
                out["eye_warp"][t, e] = cut(warped, m, EYE.pixels)
                out["eye_true"][t, e] = cut(truth, m, EYE.pixels)
                out["eye_mask"][t, e] = eye_masks(v, m, eye)
                out["eye_turn"][t, e] = turn(v, mirrored=e == 1)
        if self.noise:  # not for figures: there the truth stands where it stood
            out["eye_true"] = laid_on(out["eye_true"], out["eye_warp"], out["eye_mask"])
        return out

    def _wobble(self) -> tuple[float, float, float, float]:
        n, r = self.noise, self.rng
        return (r.normal(0, 0.025 * n), r.normal(0, 0.025 * n), r.normal(0, 0.025 * n), np.exp(r.normal(0, 0.03 * n)))

    def _jitter(self, m: np.ndarray, pixels: int) -> np.ndarray:
        return compose(m, self._wobble(), pixels)

    def clip_samples(self, clip: Clip, sources: int, targets: int) -> Iterator[Sample]:
        """Draw sources and, for each, targets: open mouths, shut eyes and turned heads are favoured."""
        gap = np.linalg.norm(clip.points[:, 13] - clip.points[:, 14], axis=1)
        gap = gap / np.linalg.norm(clip.points[:, 33] - clip.points[:, 263], axis=1)
        openness = np.array([lids.openness(p).mean() for p in clip.points])
        shut = openness < 0.6 * np.median(openness)
        away = np.array([abs(turn(p, nearer=-1.0)[0]) for p in clip.points])
        w = 0.3 + np.clip(gap / 0.10, 0, 4.0) + 2.5 * shut * min(1.0, 0.12 / max(shut.mean(), 1e-3))
        w *= 1.0 + 2.0 * np.clip(away, 0, 0.7)
        w = w[:-1] / w[:-1].sum()
        awake = np.flatnonzero(~shut)
        closed = awake[gap[awake] <= np.quantile(gap[awake], 0.4)]
        for _ in range(sources):
            i = int(self.rng.choice(closed if self.rng.random() < 0.6 else awake))
            puppet = Puppet(self.source(clip.frames[i], clip.points[i], clip.scores[i]), threads=1)
            for j in self.rng.choice(len(w), targets, p=w):
                params = [self.drive(puppet, clip.points[k], clip.scores[k]) for k in (j, j + 1)]
                yield self.sample(puppet, [clip.frames[j], clip.frames[j + 1]], [self.shaken(p) for p in params])

    def still_sample(self, rgb: np.ndarray, points: np.ndarray, scores: np.ndarray) -> Sample:
        """Close and turn a still's face, then bring it back: the still itself is the truth."""
        puppet, params = self.closed(rgb, points, scores)
        return self.sample(puppet, [rgb, rgb], [self.shaken(params)] * 2)

    def closed(self, rgb: np.ndarray, points: np.ndarray, scores: np.ndarray) -> tuple[Puppet, FaceParams]:
        """A puppet of the still with its mouth closed and its head turned, and the params of the still itself."""
        src = self.source(rgb, points, scores)
        puppet = Puppet(src, threads=1)
        e = src.params.expression.copy()
        for i, name in enumerate(UNITS):
            if name.startswith(("mouth", "jaw", "cheek")):
                e[i] *= self.rng.uniform(0.0, 0.3)
        e[N_UNITS:] *= self.rng.uniform(0.2, 0.8)
        e[UNIT["mouthClose"]] = 0.0
        lids.write_units(e, np.clip(lids.gap_of(lids.read_units(e)) * self.rng.uniform(0.55, 1.1), 0.2, 1.3))
        head = puppet.head(src.params.with_(expression=e))
        gap = head[14, 1] - head[13, 1]
        if gap > 0:  # whatever the units left open is closed by hand, as a share of each lip's own move
            jaw = self.fitter.model.basis[UNIT["jawOpen"]]
            e[UNIT["jawOpen"]] -= gap / max(1e-3, float(jaw[14, 1] - jaw[13, 1])) * self.rng.uniform(0.6, 1.0)
        turned = rotation.exp(self.rng.normal(0, np.radians([5.0, 8.0, 3.0])))
        gaze = (src.params.gaze + self.rng.normal(0, 0.15, (2, 2))).astype(np.float32)
        turned = rotation.multiply(turned, src.params.rotation)
        closed = src.params.with_(expression=e.astype(np.float32), rotation=turned, gaze=gaze)
        image, v = puppet.warp(closed)
        pts = src.camera.project(puppet.head(closed), closed)
        pts[: len(v[:468])] = v[:468]
        pts[:, 2] *= -1.0  # landmarks count depth away from the camera
        back = SourceFace(image, pts[:N_POINTS], src.head, closed, src.lid_gap, src.matte, image)
        return Puppet(back, threads=1), src.params

    def pair_sample(self, a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> Sample:
        """One portrait driven to another portrait of the same person; each (rgb, points, scores)."""
        puppet, params = self.pair(a, b)
        return self.sample(puppet, [b[0], b[0]], [params] * 2)

    def pair(self, a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> tuple[Puppet, FaceParams]:
        """A puppet of one portrait, and the params that make it do what another of the same person does."""
        puppet = Puppet(self.source(*a), threads=1)
        return puppet, self.drive(puppet, b[1], b[2])


def empty(n: int) -> Sample:
    """Arrays of one sample: source crops, then `n` targets with warp, truth, masks and turn."""
    a, b = MOUTH.pixels, EYE.pixels
    return {
        "mouth_src": np.zeros((a, a, 3), np.uint8), "mouth_warp": np.zeros((n, a, a, 3), np.uint8),
        "mouth_true": np.zeros((n, a, a, 3), np.uint8), "mouth_mask": np.zeros((n, a, a, 2), np.uint8),
        "mouth_turn": np.zeros((n, 2), np.float32), "eye_src": np.zeros((2, b, b, 3), np.uint8),
        "eye_warp": np.zeros((n, 2, b, b, 3), np.uint8), "eye_true": np.zeros((n, 2, b, b, 3), np.uint8),
        "eye_mask": np.zeros((n, 2, b, b, 1), np.uint8), "eye_turn": np.zeros((n, 2, 2), np.float32),
    }  # fmt: skip


def compose(m: np.ndarray, wobble: tuple[float, float, float, float], pixels: int) -> np.ndarray:
    """Shift (shares of the side), turn (radians) and scale a crop about its centre."""
    dx, dy, angle, k = wobble
    c, s, h = np.cos(angle) * k, np.sin(angle) * k, (pixels - 1) / 2
    a = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    a[:2, 2] = np.array([h + dx * pixels, h + dy * pixels]) - a[:2, :2] @ (h, h)
    return np.asarray(np.vstack([m, [0, 0, 1]]) @ a, np.float32)[:2].copy()
