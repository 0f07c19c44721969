"""Batches for the `live` networks: samples of the shards, drawn by a seed and shown as bad cameras see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Batch = dict[str, Tensor]


class Shards:
    """All samples of one kind of crop in memory; looks for new shards now and then."""

    def __init__(self, folder: Path, kind: str, prefix: str = "train_", limit: int = 9000) -> None:
        self.folder, self.kind, self.prefix, self.limit = folder, kind, prefix, limit
        self.seen: dict[str, dict[str, np.ndarray]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read shards that have appeared."""
        for f in sorted(self.folder.glob(f"{self.prefix}*.npz")):
            if f.name in self.seen or f.name.endswith(".part.npz") or self.count() > self.limit:
                continue
            z = np.load(f)
            self.seen[f.name] = {k: z[f"{self.kind}_{k}"] for k in ("src", "warp", "true", "mask", "turn")}

    def count(self) -> int:
        """Number of samples."""
        return sum(len(s["src"]) for s in self.seen.values())

    def draw(self, rng: np.random.Generator, singles: int, pairs: int) -> Batch:
        """Draw `pairs` samples with both frames, then `singles` with one; `owner` names the sample of each row.

        Every shard has nearly the same weight per sample, stills more.
        """
        names = list(self.seen)
        w = np.array([len(self.seen[k]["src"]) ** 0.7 * (1.5 if "stills" in k else 1.0) for k in names])
        rows, owner = [], []
        for n, k in enumerate(rng.choice(len(names), singles + pairs, p=w / w.sum())):
            s = self.seen[names[k]]
            frames = [0, 1] if n < pairs else [int(rng.integers(2))]
            row = pick(s, int(rng.integers(len(s["src"]))), self.kind, int(rng.integers(2)))
            rows.append({key: v if key == "src" else v[frames] for key, v in row.items()})
            owner += [n] * len(frames)
        batch = {k: torch.from_numpy(np.concatenate([r[k] for r in rows])) for k in rows[0]}
        return batch | {"owner": torch.tensor(owner)}


def pick(s: dict[str, np.ndarray], i: int, kind: str, eye: int) -> dict[str, np.ndarray]:
    """One sample: a source crop (1, 3, S, S) and two frames (2, ...), channels first, 0..1."""

    def take(key: str) -> np.ndarray:
        a = s[key][i]
        if kind == "eye":
            a = a[eye] if key == "src" else a[:, eye]
        if key == "src":
            a = a[None]
        return a if key == "turn" else np.ascontiguousarray(a.transpose(0, 3, 1, 2)).astype(np.float32) / 255

    return {k: take(k) for k in ("src", "warp", "true", "mask", "turn")}


def augment(b: Batch, rng: np.random.Generator, mirror: bool) -> Batch:
    """Light, colour, blur and noise of bad cameras, the same for source, warp and truth (noise: inputs only)."""
    n, owner = len(b["src"]), b["owner"]
    g = torch.from_numpy(rng.normal(0, 1, (n, 8)).astype(np.float32))[:, :, None, None]
    u = torch.from_numpy(rng.random((n, 8)).astype(np.float32))[:, :, None, None]
    gamma, gain = torch.exp(0.22 * g[:, :1]), torch.exp(0.10 * g[:, 1:4] + 0.12 * g[:, 4:5] - 0.05)
    grey = torch.where(u[:, :1] < 0.12, 1 - u[:, 1:2], 0.25 * (u[:, 1:2] - 0.5))
    shrink = 0.35 + 0.5 * float(rng.random()) if rng.random() < 0.12 else 1.0
    noisy = (u[:, 2:3] < 0.3).float() * 0.02 * u[:, 3:4]
    flip = (u[:, 4] < 0.5)[:, 0, 0]
    out = dict(b)
    for k in ("src", "warp", "true"):
        row = slice(None) if k == "src" else owner
        x = b[k].clamp(1e-4, 1) ** gamma[row] * gain[row]
        x = (x + grey[row] * (x.mean(1, keepdim=True) - x)).clamp(0, 1)
        if shrink < 1:  # a small or soft picture
            x = F.interpolate(F.interpolate(x, scale_factor=shrink, mode="area"), x.shape[-2:], mode="bilinear")
        out[k] = x if k == "true" else (x + noisy[row] * torch.randn_like(x)).clamp(0, 1)
    if mirror:
        for k in ("src", "warp", "true", "mask"):
            f = (flip if k == "src" else flip[owner])[:, None, None, None]
            out[k] = torch.where(f, out[k].flip(-1), out[k])
        out["turn"] = torch.where(flip[owner][:, None], b["turn"] * torch.tensor([-1.0, 1.0]), b["turn"])
    return {k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in out.items()}
