"""Landmarks to params: a robust Gauss-Newton fit of pose and expression to one head, about a third of a millisecond.

The camera is weak-perspective: point px = c + (f / t_z) ((R v)_xy + t_xy), all points at the depth t_z of the head's
origin, f = the picture's longer side. Residuals are turned back into the head frame, where the expression block of the
normal equations is constant; it is inverted once, and each step eliminates it (Schur complement) to solve seven pose
unknowns. Outliers are handled by Huber's modified residuals (Huber & Ronchetti, Robust Statistics, section 7.8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.linear import products
from models import lids, rotation
from models.face import F32, F64, N_UNITS, UNIT, FaceParams
from models.morphable import EYES, IOD_MM, N_MESH, Morphable
from models.motion import N_EXPRESSION

EYEBALL_MM = 12.0
_SIGMA_MM = 0.45  # landmark noise, x and y
_SIGMA_Z_MM = 0.9
_HUBER = 4.0  # in sigmas
_SCORE_SIGMA = 0.08  # how far a unit may leave MediaPipe's score
_HOLE_SIGMA = 0.35  # where the scores are known to be blind
_LID_SIGMA = 0.02
_HOLES = ("cheekPuff", "noseSneerLeft", "noseSneerRight", "jawLeft", "jawRight",
          "jawForward", "mouthLeft", "mouthRight")  # fmt: skip


@dataclass(frozen=True)
class Camera:
    """Where a picture's pixels lie: weak-perspective, principal point at the centre of the picture."""

    width: int
    height: int

    @property
    def focal_px(self) -> float:
        """Focal length, px: the longer side (a field of view of 53 degrees)."""
        return float(max(self.width, self.height))

    @property
    def centre(self) -> F64:
        """Principal point, px, pixel centres at integers."""
        return np.array([(self.width - 1) / 2, (self.height - 1) / 2])

    def project(self, vertices: F32 | F64, params: FaceParams) -> F32:
        """Head-frame mm (N, 3) to image (N, 3): px, px, nearness in px (larger is nearer, as the kernels want it)."""
        k = np.float32(self.focal_px / params.translation[2])
        v = vertices @ rotation.matrix(params.rotation).T.astype(np.float32)
        out = np.empty((len(v), 3), np.float32)
        out[:, :2] = (v[:, :2] + params.translation[:2].astype(np.float32)) * k + self.centre
        np.multiply(v[:, 2], -k, out=out[:, 2])
        return out

    def unproject(self, points: F32 | F64, params: FaceParams) -> F64:
        """Landmarks (N, 3) px (z in px, smaller is nearer) to head-frame mm under a pose."""
        k = self.focal_px / params.translation[2]
        cam = np.asarray(points, np.float64) / k
        cam[:, :2] -= self.centre / k + params.translation[:2]
        return np.asarray(cam @ rotation.matrix(params.rotation))


class Fitter:
    """Fits one head's pose, expression and gaze; create once, give it any identity."""

    def __init__(self, model: Morphable) -> None:
        self.model = model
        w = np.empty((N_MESH, 3))
        w[:, :2], w[:, 2] = 1.0 / _SIGMA_MM, 1.0 / _SIGMA_Z_MM
        # Hundreds of landmarks share their errors: count them as so many independent ones.
        self._w = (w * np.sqrt(60.0 / N_MESH)).reshape(-1)
        self._w2 = self._w**2
        self._most = _HUBER / self._w
        rigid = model.rigid[:N_MESH].astype(np.float64)
        self._rigid = rigid / rigid.sum()
        prior = np.full(N_EXPRESSION, 1.0)
        prior[:N_UNITS] = 1.0 / _SCORE_SIGMA**2
        prior[[UNIT[u] for u in _HOLES]] = 1.0 / _HOLE_SIGMA**2
        for unit in ("eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight"):
            prior[UNIT[unit]] = 1.0 / _LID_SIGMA**2  # measured (models/lids), not scored
        prior[UNIT["tongueOut"]] = 1e6
        self._prior = prior
        e = model.basis[:, :N_MESH].reshape(N_EXPRESSION, -1).astype(np.float64)
        self._e = e
        self._ew = e * self._w**2
        self._inv = np.linalg.inv(self._ew @ e.T + np.diag(prior))
        lw = self._ew[N_UNITS:]
        inv_learned = np.linalg.inv(lw @ e[N_UNITS:].T + np.diag(prior[N_UNITS:]))
        self._spill = inv_learned @ (lw @ e[:N_UNITS].T)  # learned components that stand in for units

    def start(self, points: F32, camera: Camera, head: F32 | F64) -> FaceParams:
        """Pose from nothing: a similarity of the head's rigid points, expression 0."""
        x, y = np.asarray(head, np.float64)[:N_MESH], np.asarray(points, np.float64)[:N_MESH].copy()
        w = self._rigid
        mx, my = w @ x, w @ y
        u, d, vt = np.linalg.svd((x - mx).T @ ((y - my) * w[:, None]))
        flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        r = (u * flip @ vt).T
        s = float((d * flip).sum() / (w @ ((x - mx) ** 2).sum(1)))
        t = (my - s * r @ mx)[:2]
        tz = camera.focal_px / s
        xy = (t - camera.centre) / s
        return FaceParams(
            rotation.from_matrix(r),
            np.array([xy[0], xy[1], tz]),
            np.zeros(N_EXPRESSION, np.float32),
            np.zeros((2, 2), np.float32),
        )

    def _catch_up(self, points: F32, camera: Camera, head: F32 | F64, last: FaceParams) -> FaceParams:
        """Carry the last params onto this frame's rigid points: clipped residuals alone follow a fast head slowly."""
        posed = np.asarray(head, np.float64) + self.model.offsets(last.expression)
        pose = self.start(points, camera, posed)
        near = pose.rotation if float(pose.rotation @ last.rotation) >= 0.0 else -pose.rotation
        return last.with_(rotation=near, translation=pose.translation)

    def fit(
        self,
        points: F32,
        camera: Camera,
        head: F32 | F64,
        scores: F32,
        start: FaceParams | None = None,
        iterations: int = 3,
    ) -> FaceParams:
        """Fit pose, expression and gaze of a known head to landmarks.

        points (478, 3) px with z in px, smaller nearer; head (478, 3) mm, expression-free; scores (52,) 0..1 are the
        prior of the units. Returns params with units in 0..1.
        """
        p = self.start(points, camera, head) if start is None else self._catch_up(points, camera, head, start)
        base = np.asarray(head, np.float64)[:N_MESH]
        obs = np.array(points[:N_MESH], np.float64)
        obs[:, 2] -= float(self._rigid @ obs[:, 2])
        q, t = p.rotation, p.translation.copy()
        z0 = 0.0
        target = np.zeros(N_EXPRESSION)
        target[:N_UNITS] = scores
        c = p.expression.astype(np.float64) if start is not None else target.copy()
        # d(residual) = [rotation | translation | log scale], unknown in the head frame, and the residual itself: all
        # products of the normal equations come from one pass over the basis
        jac = np.zeros((8, N_MESH, 3))
        for i in range(3):
            jac[3 + i, :, i] = 1.0
        flat = jac.reshape(8, -1)
        for _ in range(iterations):
            r_mat = rotation.matrix(q)
            k = camera.focal_px / t[2]
            cam = obs / k
            cam[:, :2] -= camera.centre / k + t[:2]
            cam[:, 2] -= z0
            y = base + (c @ self._e).reshape(-1, 3)
            _cross(y, jac)
            jac[6] = y
            np.clip((cam @ r_mat - y).reshape(-1), -self._most, self._most, out=flat[7])
            pose = (flat * self._w2) @ flat.T
            mixed = products(self._ew, flat)
            mixed[:, 7] += self._prior * (target - c)
            a_cp, g_c = mixed[:, :7], mixed[:, 7]
            solved = self._inv @ mixed
            step = np.linalg.solve(pose[:7, :7] - a_cp.T @ solved[:, :7], pose[:7, 7] - solved[:, :7].T @ g_c)
            c = c + solved[:, 7] - solved[:, :7] @ step
            # apply: cam = R (exp(w) y s + d)
            q = rotation.multiply(q, rotation.exp(step[:3]))
            scale = float(np.exp(np.clip(step[6], -0.3, 0.3)))
            shift = r_mat @ step[3:6]
            t[:2] = (t[:2] + shift[:2]) / scale
            z0 = (z0 + shift[2]) / scale
            t[2] = t[2] / scale
            # cam coordinates shrink with the scale: t_z is f / k
        q = q / np.linalg.norm(q)
        units = np.clip(c[:N_UNITS], 0.0, 1.0)
        for blink, wide in zip(lids.BLINK, lids.WIDE, strict=True):  # an eye is shut or wide, never both
            units[[blink, wide]] -= min(units[blink], units[wide])
        # What clipping took away goes to the learned components.
        c[N_UNITS:] += self._spill @ (c[:N_UNITS] - units)
        c[:N_UNITS] = units
        c[N_UNITS:] = np.clip(c[N_UNITS:], -6.0, 6.0)
        out = FaceParams(q, t, c.astype(np.float32), np.zeros((2, 2), np.float32))
        return out.with_(gaze=self.gaze(points, camera, out))

    def gaze(self, points: F32, camera: Camera, params: FaceParams) -> F32:
        """Gaze of both eyes from the iris centres, (2, 2) radians: asin of the offset from the corners' midpoint."""
        ids = [i for e in EYES for i in (e.iris, *e.corners)]
        obs = np.asarray(points, np.float64)[ids]
        head = camera.unproject(obs, params).reshape(2, 3, 3)
        off = head[:, 0, :2] - head[:, 1:, :2].mean(1)
        return np.asarray(np.arcsin(np.clip(off / EYEBALL_MM, -0.9, 0.9)), np.float32)

    def exact_head(self, points: F32, camera: Camera, params: FaceParams, head: F32 | F64) -> F64:
        """The head that projects exactly onto the landmarks under fitted params, expression included, (478, 3) mm.

        x and y come from the landmarks; z too, up to its origin, which landmarks do not have and `head` gives.
        """
        k = camera.focal_px / params.translation[2]
        r = rotation.matrix(params.rotation)
        cam = np.asarray(points, np.float64) / k
        cam[:, :2] -= camera.centre / k + params.translation[:2]
        z = (np.asarray(head, np.float64) + self.model.offsets(params.expression)) @ r[2]
        w = self.model.rigid[:N_MESH]
        cam[:, 2] -= float(np.average((cam[:, 2] - z)[:N_MESH], weights=w))
        return np.asarray(cam @ r)

    def identify(self, points: F32, camera: Camera, scores: F32) -> tuple[F64, FaceParams]:
        """Head and params of a face seen for the first time: pose by the mean head, then its own exact shape."""
        model = self.model
        params = self.fit(points, camera, model.mean, scores, iterations=4)
        params = params.with_(expression=np.concatenate([scores, np.zeros(N_EXPRESSION - N_UNITS)]).astype(np.float32))
        head = self.exact_head(points, camera, params, model.mean) - model.offsets(params.expression)
        k = float(np.linalg.norm(head[33] - head[263])) / IOD_MM
        head /= k
        params = self.fit(points, camera, head, scores, start=params.with_(translation=params.translation / k))
        return self.exact_head(points, camera, params, head) - model.offsets(params.expression), params


def _cross(y: F64, out: F64) -> None:
    """Write e_i x y of each point (N, 3) into out[i], (N, 3), for the three axes; out[i, :, i] is 0 already."""
    out[0, :, 1], out[0, :, 2] = -y[:, 2], y[:, 1]
    out[1, :, 0], out[1, :, 2] = y[:, 2], -y[:, 0]
    out[2, :, 0], out[2, :, 1] = -y[:, 1], y[:, 0]
