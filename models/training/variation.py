"""Other people out of the few there are: samples bent, lit and tinted, all pictures of one sample alike.

Networks trained on twenty speaking people learn their mouths by heart (decision 0412): lips of those people come a
quarter nearer to the camera's, lips of others a tenth.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_STRETCH, _SHEAR, _SHIFT = 0.08, 0.05, 0.03  # of a crop, standard deviations
_BEND = 0.025  # of a crop: how far each of 4 x 4 points moves
_SHARE = (
    0.6  # of the samples are reshaped: sampling anew softens a little, and some truths must stay as fine as they are
)
_LIGHT, _TINT, _MIX = 0.12, 0.03, 0.05  # log gain at the corners, the same a channel, share of other channels


def reshape(pictures: dict[str, Tensor], owner: dict[str, Tensor], rng: np.random.Generator, strength: float) -> None:
    """Bend all pictures of a sample alike, in place of the entries of `pictures`.

    pictures: (B, C, S, S), 0..1; owner: for each of them the sample (B,) that a row belongs to.
    """
    count = 1 + max(int(o.max()) for o in owner.values())
    some = (rng.random(count) < _SHARE) * strength
    stretch = np.eye(2) + some[:, None, None] * (
        rng.normal(0, 1, (count, 2, 2)) * np.array([[_STRETCH, _SHEAR], [_SHEAR, _STRETCH]])
    )
    shift = 2 * _SHIFT * some[:, None] * rng.normal(0, 1, (count, 2))  # grids run from -1 to 1
    bend = torch.from_numpy(
        (2 * _BEND * some[:, None, None, None] * rng.normal(0, 1, (count, 2, 4, 4))).astype(np.float32)
    )
    affine = torch.from_numpy(np.concatenate([stretch, shift[:, :, None]], 2).astype(np.float32))
    side = next(iter(pictures.values())).shape[-1]
    smooth = F.interpolate(bend, (side, side), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    grid = F.affine_grid(affine, [count, 1, side, side], align_corners=True) + smooth
    moved = torch.from_numpy(some > 0)
    for name, x in pictures.items():
        rows = moved[owner[name]]
        if rows.any():
            y = F.grid_sample(x[rows], grid[owner[name][rows]], "bicubic", "border", align_corners=True)
            x = x.clone()
            x[rows] = y.clamp(0, 1)
            pictures[name] = x


def relight(pictures: dict[str, Tensor], owner: dict[str, Tensor], rng: np.random.Generator, strength: float) -> None:
    """Light all pictures of a sample from another side and mix their colours, alike, in place of the entries.

    As `reshape`; pictures have three channels.
    """
    count = 1 + max(int(o.max()) for o in owner.values())
    gain = rng.normal(0, _LIGHT, (count, 1, 2, 2)) + rng.normal(0, _TINT, (count, 3, 2, 2))
    gain = torch.from_numpy(np.exp(strength * gain).astype(np.float32))
    mix = np.eye(3) + strength * _MIX * rng.normal(0, 1, (count, 3, 3))
    mixed = torch.from_numpy((mix / mix.sum(2, keepdims=True)).astype(np.float32))
    for name, x in pictures.items():
        light = F.interpolate(gain, x.shape[-2:], mode="bilinear", align_corners=True)[owner[name]]
        pictures[name] = (torch.einsum("nij,njhw->nihw", mixed[owner[name]], x) * light).clamp(0, 1)


def varied(
    b: dict[str, Tensor], rng: np.random.Generator, strength: float, shapes: Iterable[str], colours: Iterable[str]
) -> dict[str, Tensor]:
    """Return a batch with `reshape` of the entries `shapes` and `relight` of `colours`; 0 returns it as it is."""
    if strength <= 0:
        return b
    out = dict(b)
    rows = torch.arange(len(b["src"]))
    for change, names in ((reshape, tuple(shapes)), (relight, tuple(colours))):
        if names:
            part = {k: out[k] for k in names}
            change(part, {k: rows if k == "src" else b["owner"] for k in names}, rng, strength)
            out |= part
    return out
