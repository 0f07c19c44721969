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
        """Inputs of every coordinate, (N_ROW, N_INPUT), but for the horizon, which stays 0."""
        seen: F32 = inputs(past[None], last[None].astype(np.float32), np.full(1, step_s, np.float32), self.noise)[0]
        return seen

    def ahead(self, seen: F32, past: F32, last: F64, ahead_s: float) -> tuple[F64, F64]:
        """The row (N_ROW,) expected `ahead_s` after the last one, and the speed of the head (N_HEAD,) then, 1/s.

        0 smooths only; beyond 150 ms it stays as at 150.
        """
        w1, w2, w3 = self.w
        x = seen @ w1
        x += self.b[0] + np.float32(min(max(ahead_s, 0.0), LONGEST_S) / 0.1) * w1[N_PAST + 4]
        x = softsign(x) @ w2
        x += self.b[1]
        x = softsign(x) @ w3
        x += self.b[2]
        row = last + np.einsum("nk,nk->n", x[:, :N_PAST], past)
        speed = np.einsum("nk,nk->n", x[:N_HEAD, N_PAST:], past[:N_HEAD])
        return np.asarray(row), np.asarray(speed / SPEED_S, np.float64)


def softsign(x: F32) -> F32:
    """x / (1 + |x|): smooth, bounded, cheap."""
    return np.asarray(x / (1 + np.abs(x)))


def noise_at(noise: F32, depth_mm: Any) -> F32:
    """Tracker noise (.., N_ROW) of heads at depths (..), mm: a small face's depth shakes more."""
    depth = np.asarray(depth_mm, np.float32)
    out = np.broadcast_to(noise, (*depth.shape, len(noise))).astype(np.float32)
    out[..., DEPTH] *= np.clip(depth, 100.0, 4000.0) / np.float32(NOISE_DEPTH_MM)
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
