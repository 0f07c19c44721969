"""The learned predictor of one instant: a small network says, coordinate by coordinate, how far to trust the past.

It does not predict the face. It predicts the weights of the differences between the past and the last row, from how
those differences look, how far ahead the question is, and which region asks; a face at rest has no differences and
stays exactly where it is. All coordinates share the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kernels import forecast
from models.dynamics_history import N_PAST, STEP_S
from models.dynamics_space import N_ROW, REGION_OF, REGIONS
from models.face import F32, F64

DATA = Path(__file__).resolve().parent / "data" / "dynamics.npz"
N_EVEN = 6  # inputs beside the differences: energies of coordinate, region and face, value, horizon, frame time
N_INPUT = N_PAST + N_EVEN + len(REGIONS)
LONGEST_S = 0.15
N_HEAD = 6  # the first columns: turn and shift
SPEED_S = 0.1  # the network's speeds are changes within this time
DEPTH = 5  # column of the head's depth; the tracker's noise in it grows with it
NOISE_DEPTH_MM = 400.0  # depth at which `DynamicsNet.noise` is stated
_NEAR_MM, _FAR_MM = 100.0, 4000.0  # heads are taken as no nearer and no farther
_HORIZON_S = 0.1  # horizons count in units of it
_MEMBER = (REGION_OF[:, None] == np.arange(len(REGIONS))).astype(np.float32)
_SHARE = _MEMBER / _MEMBER.sum(0)
_BOUNDED = np.zeros(N_ROW, np.float32)
for _name in ("brows", "lids", "eyes", "jaw", "mouth", "cheeks"):
    _BOUNDED[list(REGIONS[_name])] = 1.0
del _name


@dataclass(frozen=True, eq=False)
class DynamicsNet:
    """Weights of the network; three layers with softsign between them."""

    noise: F32  # (N_ROW,) tracker noise of every coordinate at rest
    w: tuple[F32, ...]  # (N_INPUT, H), (H, H), (H, 2 N_PAST): weights of the row, then of its speed
    b: tuple[F32, ...]

    def look(self, past: F32, last: F64, step_s: float) -> F32:
        """What every coordinate shows, (N_ROW, H): the first layer but for the horizon."""
        noise = self.noise.copy()
        noise[DEPTH] *= depth_share(float(last[DEPTH]))
        return forecast.first_layer(past, last, noise, step_s / STEP_S, _BOUNDED, REGION_OF, self.w[0], self.b[0])

    def ahead(self, seen: F32, past: F32, last: F64, ahead_s: float) -> tuple[F64, F64]:
        """The row (N_ROW,) expected `ahead_s` after the last one, and the speed of the head (N_HEAD,) then, 1/s.

        0 smooths only; beyond 150 ms it stays as at 150.
        """
        place, speed = self.of(seen, past, np.full(1, ahead_s), N_ROW)
        return last + place[0], speed[0]

    def of(self, seen: F32, past: F32, ahead_s: F64, rows: int) -> tuple[F64, F64]:
        """Change (M, rows) of the first coordinates within each of M horizons; the head's speeds (M, N_HEAD) then."""
        unit = (np.clip(ahead_s, 0.0, LONGEST_S) / _HORIZON_S).astype(np.float32)
        (w1, w2, w3), (_, b2, b3) = self.w, self.b
        place, speed = forecast.weigh(seen, past, rows, N_HEAD, unit, w1[N_PAST + 4], w2, b2, w3, b3)
        return place.astype(np.float64), speed.astype(np.float64) / SPEED_S


def weigh(net: DynamicsNet, seen: F32, past: F32) -> F32:
    """The network in NumPy, as training means it: inputs (.., N_INPUT) and past (.., N_PAST) to changes (.., 2).

    The second is of the speed, within `SPEED_S`. `kernels/forecast.py` is checked against it.
    """
    x = softsign(softsign(seen @ net.w[0] + net.b[0]) @ net.w[1] + net.b[1]) @ net.w[2] + net.b[2]
    return np.asarray((x.reshape(*x.shape[:-1], 2, N_PAST) * past[..., None, :]).sum(-1))


def softsign(x: F32) -> F32:
    """x / (1 + |x|): smooth, bounded, cheap."""
    return np.asarray(x / (1 + np.abs(x)))


def depth_share(depth_mm: float) -> float:
    """What the noise in the depth of a head is over that at `NOISE_DEPTH_MM`."""
    return min(max(depth_mm, _NEAR_MM), _FAR_MM) / NOISE_DEPTH_MM


def noise_at(noise: F32, depth_mm: Any) -> F32:
    """Tracker noise (.., N_ROW) of heads at depths (..), mm: a small face's depth shakes more."""
    depth = np.asarray(depth_mm, np.float32)
    out = np.broadcast_to(noise, (*depth.shape, len(noise))).astype(np.float32)
    out[..., DEPTH] *= np.clip(depth, _NEAR_MM, _FAR_MM) / np.float32(NOISE_DEPTH_MM)
    return out


def inputs(past: F32, last: F32, step_s: F32, noise: F32) -> F32:
    """Inputs of T instants, (T, N_ROW, N_INPUT): of differences, last rows (T, N_ROW), frame times (T,); horizon 0."""
    out = np.empty((*past.shape[:2], N_INPUT), np.float32)
    noise = noise_at(noise, last[:, DEPTH])
    size = np.sqrt(np.mean(past * past, axis=2) + (noise * noise))
    energy = np.log(size / noise)
    out[:, :, :N_PAST] = past / size[:, :, None]
    out[:, :, N_PAST] = energy
    out[:, :, N_PAST + 1] = (energy @ _SHARE) @ _MEMBER.T
    out[:, :, N_PAST + 2] = energy.mean(1, keepdims=True)
    out[:, :, N_PAST + 3] = last * _BOUNDED
    out[:, :, N_PAST + 4] = 0.0
    out[:, :, N_PAST + 5] = (step_s / np.float32(STEP_S))[:, None]
    out[:, :, N_PAST + N_EVEN :] = _MEMBER
    return out


def load_net(path: Path = DATA) -> DynamicsNet:
    """Read the shipped weights."""
    with np.load(path) as z:
        return DynamicsNet(
            z["noise"].astype(np.float32),
            tuple(z[f"w{i}"].astype(np.float32) for i in range(3)),
            tuple(z[f"b{i}"].astype(np.float32) for i in range(3)),
        )


def save_net(net: DynamicsNet, path: Path = DATA) -> None:
    """Write weights as one small file."""
    arrays: dict[str, Any] = {f"w{i}": w for i, w in enumerate(net.w)} | {f"b{i}": b for i, b in enumerate(net.b)}
    np.savez_compressed(path, noise=net.noise, **arrays)
