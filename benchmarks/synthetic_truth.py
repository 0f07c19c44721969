"""Heads rendered at known params and tracked again: what the tracker gets wrong where the truth is certain.

Two benches share the tables. `Bench` renders a picture and tracks it, as a driver is tracked. `Vertices` hands the fit
the exact vertices instead, so that what is left is the fit's own error and not the picture's or the networks'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models import lids, rotation
from models.assets import asset_path
from models.face import N_UNITS, UNIT, UNITS, FaceParams
from models.fitting import Fitter
from models.landmarks import FaceNetworks
from models.morphable import N_MESH, load_morphable
from models.puppet import Puppet
from models.shell import PIVOT_MM
from models.source import prepare_source
from models.tracking import FaceTracker
from models.turning import true_turn

POSES: tuple[tuple[float, float, float], ...] = (
    *((y, 0.0, 0.0) for y in (-25.0, -16.0, -8.0, 8.0, 16.0, 25.0)),
    *((0.0, p, 0.0) for p in (-20.0, -10.0, 10.0, 20.0)),
    *((0.0, 0.0, r) for r in (-20.0, -10.0, 10.0, 20.0)),
    (15.0, 10.0, 0.0), (-15.0, -10.0, 0.0), (15.0, 0.0, 12.0), (-15.0, 8.0, -12.0),
)  # fmt: skip
"""Degrees of yaw (to image right), pitch (down) and roll (clockwise), turned from the photo's own pose."""

AMOUNTS = (0.3, 0.65, 1.0)
RAMPS = {"blink": ("eyeBlinkLeft", "eyeBlinkRight"), "jawOpen": ("jawOpen",),
         "smile": ("mouthSmileLeft", "mouthSmileRight")}  # fmt: skip
_NO_PICTURE = ("tongueOut",)  # units the mesh has no shape for; gaze is drawn from FaceParams.gaze instead
_SETTLE = 3  # times a picture is shown: a driver rests on a pose for longer than one frame
_BACK = 0.02  # a ramp may fall this little between two steps and still count as rising


class Bench:
    """A photo's puppet and a tracker that has seen it at rest."""

    def __init__(self, photo: str | Path, size: int = 512) -> None:
        nets = FaceNetworks(asset_path("face_landmarker.task"))
        self.rest = prepare_source(photo, size, nets)
        self.puppet = Puppet(self.rest)
        self.model = load_morphable()
        self.tracker = FaceTracker(networks=nets)
        self.zero = self.see(self.rest.params)

    def see(self, params: FaceParams, times: int = _SETTLE) -> FaceParams:
        """Render the photo at some params and return what the tracker finds there."""
        picture = self.puppet.render(params)
        found: FaceParams | None = None
        for _ in range(times):
            found, _ = self.tracker.track(picture, 0)
        if found is None:
            raise RuntimeError("the tracker lost the rendered face")
        return found

    def reach(self, params: FaceParams, steps: int = 3) -> FaceParams:
        """Go from rest to some params as a driver would, and return what the tracker finds on arrival."""
        from models.motion import blend

        for i in range(1, steps):
            self.see(blend(self.rest.params, params, i / steps), 1)
        found = self.see(params)
        self.see(self.rest.params)
        return found

    def turned(self, yaw: float, pitch: float, roll: float) -> FaceParams:
        """Params of the photo turned about the neck, degrees."""
        p = self.rest.params
        q = rotation.multiply(turn(yaw, pitch, roll), p.rotation)
        shift = (rotation.matrix(p.rotation) - rotation.matrix(q)) @ PIVOT_MM
        t = p.translation + np.array([shift[0], shift[1], 0.0])
        return p.with_(rotation=q, translation=t)

    def with_units(self, units: Sequence[str], amount: float) -> FaceParams:
        """Params of the photo with `amount` more of some units, inside 0..1."""
        c = self.rest.params.expression.copy()
        for unit in units:
            c[UNIT[unit]] = np.clip(c[UNIT[unit]] + amount, 0.0, 1.0)
            if unit.startswith("eyeBlink"):
                c[UNIT[unit.replace("Blink", "Wide")]] = 0.0
            if unit.startswith("eyeWide"):
                c[UNIT[unit.replace("Wide", "Blink")]] = 0.0
        return self.rest.params.with_(expression=c)

    def shape_error(self, found: FaceParams, true: FaceParams) -> float | None:
        """Mesh displacement that was missed or made up over the true displacement: 0 exact, 1 as wrong as no change."""
        model = self.model
        want = model.offsets(true.expression - self.rest.params.expression)[:N_MESH]
        got = model.offsets(found.expression - self.zero.expression)[:N_MESH]
        size = float(np.linalg.norm(want))
        return round(float(np.linalg.norm(got - want)) / size, 3) if size > 1e-3 else None

    def change(self, found: FaceParams) -> Any:
        """Units found, from those found at rest, (52,)."""
        return (found.expression - self.zero.expression)[:N_UNITS]


class Vertices(Bench):
    """The same photo, but what is seen are the vertices themselves: no picture, no landmark network."""

    def __init__(self, photo: str | Path, size: int = 512) -> None:
        self._nets = FaceNetworks(asset_path("face_landmarker.task"))
        self._fitter = Fitter(load_morphable())
        super().__init__(photo, size)

    def see(self, params: FaceParams, times: int = _SETTLE) -> FaceParams:
        """Return what the fit makes of the exact vertices at some params."""
        del times
        points = self.rest.camera.project(self.puppet.head(params), params)
        points[:, 2] *= -1  # landmarks count depth away from the camera
        scores = self._nets.scores(points)
        lids.write_units(scores, lids.seen_ratio(lids.openness(points), self.rest.lid_gap, scores))
        return self._fitter.fit(points, self.rest.camera, self.rest.head, scores, iterations=8)


def turn(yaw: float, pitch: float, roll: float) -> Any:
    """Rotation in the camera frame: roll after yaw after pitch, degrees; (4,) wxyz."""
    x, y, z = (rotation.exp(np.radians(a) * np.eye(3)[i]) for i, a in enumerate((pitch, -yaw, roll)))
    return rotation.multiply(z, rotation.multiply(y, x))


def poses(bench: Bench, wanted: Sequence[tuple[float, float, float]] = POSES) -> list[dict[str, Any]]:
    """Return for each pose the error of the turn in degrees, as tracked and as told (`models.turning`), and how much
    expression the turn alone made up.
    """
    rows = []
    for angles in wanted:
        true = bench.turned(*angles)
        found = bench.reach(true)
        back = rotation.inverse(rotation.multiply(turn(*angles), bench.zero.rotation))
        wrong = rotation.log(rotation.multiply(found.rotation, back))
        told = rotation.log(rotation.multiply(true_turn(found, bench.zero), back))
        rows.append({"yaw_pitch_roll": list(angles), "error_deg": round(float(np.degrees(np.linalg.norm(wrong))), 3),
                     "error_xyz_deg": [round(float(v), 2) for v in np.degrees(wrong)],
                     "told_deg": round(float(np.degrees(np.linalg.norm(told))), 3),
                     "expression_mae": round(float(np.abs(bench.change(found)).mean()), 4)})  # fmt: skip
    return rows


def units(bench: Bench, names: Sequence[str] | None = None, amounts: Sequence[float] = AMOUNTS) -> list[dict[str, Any]]:
    """Return for each single unit and amount the error of all units (MAE), and what became of it."""
    rows = []
    for name in names if names is not None else _drawn_units():
        for amount in amounts:
            true = bench.with_units((name,), amount)
            found = bench.reach(true, 2)
            want = (true.expression - bench.rest.params.expression)[:N_UNITS]
            got = bench.change(found)
            turned = rotation.log(rotation.multiply(found.rotation, rotation.inverse(bench.zero.rotation)))
            rows.append({"unit": name, "asked": round(float(want[UNIT[name]]), 3),
                         "found": round(float(got[UNIT[name]]), 3), "mae": round(float(np.abs(got - want).mean()), 4),
                         "mae_of_nothing": round(float(np.abs(want).mean()), 4),
                         "shape_error": bench.shape_error(found, true),
                         "turn_deg": round(float(np.degrees(np.linalg.norm(turned))), 2)})  # fmt: skip
    return rows


def ramps(bench: Bench, steps: int = 11) -> dict[str, list[float]]:
    """Return what is found while blink, jawOpen and smile rise from 0 to 1, as the mean of their units' change."""
    out = {}
    for name, members in RAMPS.items():
        ids = [UNIT[u] for u in members]
        found = [bench.see(bench.with_units(members, a)) for a in np.linspace(0, 1, steps)]
        out[name] = [round(float(bench.change(f)[ids].mean()), 3) for f in found]
        bench.see(bench.rest.params)
    return out


def rises(values: Sequence[float]) -> bool:
    """Whether a ramp rises throughout, but for a hundredth or two, and by at least 0.3 in all."""
    return values[-1] - values[0] >= 0.3 and all(b >= a - _BACK for a, b in pairwise(values))


def _drawn_units() -> Iterator[str]:
    return (u for u in UNITS if u not in _NO_PICTURE and not u.startswith("eyeLook"))
