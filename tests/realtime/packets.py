"""Packets made by ourselves from the published formats, and faces to put into them."""

from __future__ import annotations

import numpy as np

from models import rotation
from models.face import N_UNITS, UNITS, FaceParams
from realtime.protocols.frames import NOMINAL_MM, expression_of


def face(jaw: float = 0.0, turn: tuple[float, float, float] = (0.0, 0.0, 0.0), **units: float) -> FaceParams:
    """A head at the nominal distance with some units and a rotation vector in radians."""
    row = np.zeros(N_UNITS, np.float32)
    for name, value in {"jawOpen": jaw, **units}.items():
        row[UNITS.index(name)] = value
    return FaceParams(rotation.exp(np.array(turn)), np.array([0.0, 0.0, NOMINAL_MM]), expression_of(row),
                      np.zeros((2, 2), np.float32))  # fmt: skip


def random_face(rng: np.random.Generator) -> FaceParams:
    """Any face a tracker may give, without learned components."""
    axis = rng.normal(size=3)
    return FaceParams(
        rotation.exp(axis / np.linalg.norm(axis) * rng.uniform(0, 1.0)),
        np.array([0.0, 0.0, NOMINAL_MM]) + rng.uniform(-200, 200, 3),
        expression_of(rng.uniform(0, 1, N_UNITS).astype(np.float32)),
        rng.uniform(-0.6, 0.6, (2, 2)).astype(np.float32),
    )


def phone_name(unit: str) -> str:
    """iFacialMocap's spelling."""
    return unit.removesuffix("Left") + "_L" if unit.endswith("Left") and unit not in ("jawLeft", "mouthLeft") else (
        unit.removesuffix("Right") + "_R" if unit.endswith("Right") and unit not in ("jawRight", "mouthRight") else unit
    )  # fmt: skip


def phone_packet(
    units: dict[str, float],
    head: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, -0.6),
    right: tuple[float, float, float] = (0.0, 0.0, 0.0),
    left: tuple[float, float, float] = (0.0, 0.0, 0.0),
    mark: str = "-",
    extra: str = "",
) -> bytes:
    """A packet as the app sends it: whole percents, all 52 names."""
    values = "|".join(f"{phone_name(u)}{mark}{round(100 * units.get(u, 0.0))}" for u in UNITS)

    def row(numbers: tuple[float, ...]) -> str:
        return ",".join(f"{n:.6f}" for n in numbers)

    return f"{values}|{extra}=head#{row(head)}|rightEye#{row(right)}|leftEye#{row(left)}|".encode()
