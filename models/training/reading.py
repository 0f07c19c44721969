"""How far a painted mouth reads off from the true one: the landmark network's points, as a loss (decision 0410)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from models.morphable import INNER_LIPS, OUTER_LIPS
from models.training.networks import window
from models.training.reader import SIDE, Reader

LIPS = torch.tensor(sorted({*INNER_LIPS, *OUTER_LIPS}))
_LEVELS = (0, 1)  # feature maps of 128 and 64 px that are compared beside the points


class Faces:
    """All samples of `reader_samples.py` in memory."""

    def __init__(self, folder: Path) -> None:
        parts = [np.load(f) for f in sorted(folder.glob("face_*.npz")) if not f.name.endswith(".part.npz")]
        if not parts:
            raise FileNotFoundError(f"{folder}: no face_*.npz; write them with models.training.reader_samples")
        self._rows = {k: np.concatenate([p[k] for p in parts]) for k in parts[0].files}

    def draw(self, rng: np.random.Generator, count: int) -> dict[str, Tensor]:
        """Draw a batch, pictures channels first 0..1, as bright as a bad camera makes them, half of it mirrored."""
        i = rng.choice(len(self._rows["src"]), count, replace=False)
        flip = rng.random(count) < 0.5
        gamma, gain = np.exp(rng.normal(0, 0.15, (count, 1, 1, 1))), np.exp(rng.normal(-0.03, 0.1, (count, 3, 1, 1)))
        out = {}
        drawn = {k: rows[i].astype(np.float32) for k, rows in self._rows.items()}
        mirror(drawn, flip)
        for k, v in drawn.items():
            if v.ndim == 4:
                v = np.ascontiguousarray(v.transpose(0, 3, 1, 2)) / 255
                if k != "mask":
                    v = np.clip(v**gamma * gain, 0, 1).astype(np.float32)
            out[k] = torch.from_numpy(np.ascontiguousarray(v))
        return out | {"owner": torch.arange(count)}


def mirror(rows: dict[str, np.ndarray], flip: np.ndarray) -> None:
    """Mirror samples (N, ...) in place where `flip` (N,) says so: pictures, turn, and where the crop lies."""
    for v in rows.values():
        if v.ndim == 4:
            v[flip] = v[flip, :, ::-1]
    rows["turn"][flip, 0] *= -1.0
    side, place = rows["warp"].shape[2], rows["place"][flip].copy()
    rows["place"][flip, 0, 2] = SIDE - 1 - place[:, 0, 2] - place[:, 0, 0] * (side - 1)
    rows["place"][flip, 1, 2] = place[:, 1, 2] + place[:, 1, 0] * (side - 1)
    rows["place"][flip, 0, 1] *= -1.0
    rows["place"][flip, 1, 0] *= -1.0


def laid(face: Tensor, change: Tensor, place: Tensor) -> Tensor:
    """Add a change of a crop (B, 3, S, S) to faces (B, 3, 256, 256); place (B, 2, 3) takes crop px to face px."""
    s = change.shape[-1]
    whole = torch.cat([place, torch.tensor([[[0.0, 0.0, 1.0]]]).expand(len(place), 1, 3)], 1)
    back = torch.linalg.inv(whole)[:, :2]  # face px to crop px
    ys, xs = torch.meshgrid(torch.arange(SIDE) * 1.0, torch.arange(SIDE) * 1.0, indexing="ij")
    grid = torch.stack([xs, ys, torch.ones_like(xs)], -1) @ back.transpose(1, 2)[:, None]
    grid = grid * (2 / (s - 1)) - 1
    return face + F.grid_sample(change, grid, "bilinear", "zeros", align_corners=True)


def misreading(reader: Reader, b: dict[str, Tensor], got: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far lips read off the true ones, % of the inter-ocular distance, and how far features around them do.

    b: a batch of `Faces.draw`; got (B, 3, S, S): the finished crops. Both scalars. The truth is the camera's crop laid
    into the same face, so that nothing but the crop can be blamed.
    """
    w = window(got.shape[-1])
    with torch.no_grad():
        true, want = reader(laid(b["face"], (b["true"] - b["warp"]) * w, b["place"]), _LEVELS)
    points, have = reader(laid(b["face"], got - b["warp"], b["place"]), _LEVELS)
    off = (points[:, LIPS, :2] - true[:, LIPS, :2]).norm(dim=-1)
    lips = (off / b["inter_ocular"][:, None]).mean() * 100
    near = laid(torch.zeros_like(b["face"]), F.max_pool2d(b["mask"][:, 1:], 9, 1, 4).expand(-1, 3, -1, -1), b["place"])
    deep = points.new_zeros(())
    for f, t in zip(have, want, strict=True):
        m = F.adaptive_avg_pool2d(near[:, :1], f.shape[-2:])
        deep = deep + ((f - t).abs() * m).sum() / ((t.abs() * m).sum() + 1e-3)
    return lips, deep / len(have)


@dataclass(frozen=True, eq=False)
class Judge:
    """The landmark network, what it judges, and how much it counts."""

    reader: Reader
    faces: Faces
    weight: float
    count: int  # samples a step

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw a batch of faces."""
        return self.faces.draw(rng, self.count)

    def misreading(self, b: dict[str, Tensor], got: Tensor) -> tuple[Tensor, Tensor]:
        """Return `misreading` of a batch."""
        return misreading(self.reader, b, got)
