"""Train the learned predictor on `models/data/trajectories.npz`, held-out people left out.

`python -m models.training.train_dynamics --out models/data/dynamics.npz [--seconds 240]`

Each pass shows every person once, changed in time (slower, faster, other frame rates, jittered stamps, dropped frames),
in size, in sign, and with the tracker's own noise as it was measured on still faces; truth is the zero-phase smoothed
trajectory at a random horizon of 0 to 150 ms.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.dynamics_history import N_PAST, past_of
from models.dynamics_net import N_INPUT, DynamicsNet, inputs, load_net, save_net
from models.dynamics_space import N_ROW, REGION_OF, REGIONS
from models.trajectories import DATA, Track, load_takes, sample, split

log = logging.getLogger("train_dynamics")
_CHUNK = 12  # frames that share a horizon
_SIGNED = [i for name in ("turn", "shift", "learned", "gaze") for i in REGIONS[name]]


@dataclass
class Batchable:
    """Instants of all people in one pass."""

    past: np.ndarray  # (T, N_ROW, N_PAST)
    last: np.ndarray  # (T, N_ROW)
    step: np.ndarray  # (T,)
    ahead: np.ndarray  # (T,) s
    want: np.ndarray  # (T, N_ROW) truth minus last
    pair: np.ndarray  # first frames of neighbouring pairs with one horizon


def noise_of(stills: list[Track]) -> np.ndarray:
    """Tracker noise of every coordinate: RMS about the mean on still faces, with a floor of its region's mean."""
    off = np.concatenate([k.rows - k.truth for k in stills])
    rms = np.sqrt((off**2).mean(0))
    region = np.array([np.sqrt((rms[list(c)] ** 2).mean()) for c in REGIONS.values()])[REGION_OF]
    return np.maximum(rms, 0.5 * region).astype(np.float32)


def scale_of(tracks: list[Track]) -> np.ndarray:
    """RMS motion within 100 ms of every coordinate's region."""
    moved = np.concatenate([sample(k.t, k.truth, k.t + 0.1) - k.truth for k in tracks])
    rms = (moved**2).mean(0)
    return np.sqrt(np.array([rms[list(c)].mean() for c in REGIONS.values()]))[REGION_OF]


def vary(rng: np.random.Generator, track: Track, noises: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stamps, rows and a truth on the same stamps' scale of one changed track."""
    still = track.name.startswith("still_")
    size = 1.0 if still else float(rng.uniform(0.6, 1.5))
    stretch = 1.0 if still else float(rng.uniform(0.75, 1.4))
    t = (track.t - track.t[0]) * stretch
    rows, truth = track.rows.copy(), track.truth.copy()
    sign = np.ones(N_ROW)
    sign[_SIGNED] = rng.choice([-1.0, 1.0], len(_SIGNED))
    sign[_SIGNED] *= size
    base = truth.mean(0)
    rows, truth = base + (rows - base) * sign, base + (truth - base) * sign
    if not still and rng.random() < 0.5:
        # clean motion at another frame rate under measured noise
        fps = float(rng.choice([15, 20, 24, 30, 30, 45, 60]))
        at = np.arange(t[0], t[-1], 1 / fps)
        truth_at = sample(t, truth, at)
        n = noises[int(rng.integers(len(noises)))]
        i = np.abs((np.arange(len(at)) + int(rng.integers(len(n)))) % (2 * len(n) - 2) - len(n) + 1)
        rows, truth, t = truth_at + rng.uniform(0.3, 1.5) * n[i] * np.sign(sign), truth_at, at
    keep = rng.random(len(t)) > rng.choice([0.0, 0.0, 0.08, 0.2])
    keep[0] = True
    stamps = t + rng.uniform(-1, 1, len(t)) * rng.choice([0.0, 0.001, 0.004])
    return np.maximum.accumulate(stamps[keep] + 1e-5 * np.arange(keep.sum())), rows[keep], truth[keep]


def one_pass(rng: np.random.Generator, tracks: list[Track], noises: list[np.ndarray]) -> Batchable:
    """Change every track once and gather all its instants."""
    parts: list[list[np.ndarray]] = [[] for _ in range(5)]
    pairs, n = [], 0
    for track in tracks:
        t, rows, truth = vary(rng, track, noises)
        if len(t) < 3 * _CHUNK:
            continue
        h = np.where(rng.random(len(t) // _CHUNK + 1) < 0.25, 0.0, rng.uniform(0, 0.15, len(t) // _CHUNK + 1))
        ahead = np.repeat(h, _CHUNK)[: len(t)]
        good = (t + ahead <= t[-1]) & (t > t[0] + 0.1)
        want = sample(t, truth, t + ahead) - rows
        step = np.diff(t, prepend=t[0] - 1 / 30)
        for part, value in zip(parts, (past_of(t, rows), rows, step, ahead, want), strict=True):
            part.append(value.astype(np.float32))
        first = np.flatnonzero(good[:-1] & good[1:] & (np.arange(len(t) - 1) % _CHUNK != _CHUNK - 1))
        pairs.append(first + n)
        n += len(t)
    joined = [np.concatenate(p) for p in parts]
    return Batchable(*joined, np.concatenate(pairs))


class Net(nn.Module):
    """The network of `models.dynamics_net`, in torch."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(N_INPUT, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, N_PAST)])
        nn.init.zeros_(self.layers[2].weight)
        nn.init.zeros_(self.layers[2].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs (.., N_INPUT) to weights (.., N_PAST)."""
        x = nn.functional.softsign(self.layers[0](x))
        x = nn.functional.softsign(self.layers[1](x))
        return self.layers[2](x)


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seconds", type=float, default=240.0)
    ap.add_argument("--hidden", type=int, default=32)
    ap.add_argument("--calm", type=float, default=0.03, help="weight of calm against accuracy")
    ap.add_argument("--start", type=Path, help="weights to go on from")
    ap.add_argument("--rate", type=float, default=3e-3)
    ap.add_argument("--leave", default="", help="comma-separated takes to leave out, for choosing settings")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng = np.random.default_rng(a.seed)
    data = split(load_takes(a.data))
    train = [k for k in data.train if k.name not in a.leave.split(",")]
    noise, scale = noise_of(data.still_train), scale_of(train).astype(np.float32)
    noises = [k.rows - k.truth for k in data.still_train]
    net = Net(a.hidden)
    if a.start is not None:
        begun = load_net(a.start)
        for layer, w, b in zip(net.layers, begun.w, begun.b, strict=True):
            layer.weight.data, layer.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b.copy())
    best = torch.optim.Adam(net.parameters(), lr=a.rate)
    s, sigma = torch.from_numpy(scale), torch.from_numpy(noise)
    start, step, log_at = time.perf_counter(), 0, 0.0
    seen: list[float] = []
    while (passed := time.perf_counter() - start) < a.seconds:
        for group in best.param_groups:
            group["lr"] = a.rate * (0.5 * (1 + np.cos(np.pi * min(1.0, passed / a.seconds)))) + 1e-5
        p = one_pass(rng, train + data.still_train, noises)
        order = rng.permutation(p.pair)
        for i in range(0, len(order) - 96, 96):
            k = np.stack([order[i : i + 96], order[i : i + 96] + 1], 1).ravel()
            x = inputs(p.past[k], p.last[k], p.step[k], noise)
            x[:, :, N_PAST + 4] = (p.ahead[k] / 0.1)[:, None]
            e = (net(torch.from_numpy(x)) * torch.from_numpy(p.past[k])).sum(2) - torch.from_numpy(p.want[k])
            de = e[1::2] - e[::2]
            loss = nn.functional.huber_loss(e / s, torch.zeros_like(e), delta=3.0)
            loss = loss + 0.2 * ((de / s) ** 2).clamp(max=4).mean()
            for off in (e, de):
                loss = loss + a.calm * torch.log1p((off / sigma) ** 2).mean()
            best.zero_grad()
            loss.backward()
            best.step()
            seen.append(float(loss.detach()))
            step += 1
        if passed - log_at > 20:
            log.info("%.0f s, %d steps, loss %.4f", passed, step, np.mean(seen[-300:]))
            log_at = passed
    w = tuple(layer.weight.detach().numpy().T.copy() for layer in net.layers)
    b = tuple(layer.bias.detach().numpy().copy() for layer in net.layers)
    save_net(DynamicsNet(noise, w, b), a.out)
    log.info("%d steps, loss %.4f, %d bytes", step, np.mean(seen[-300:]), a.out.stat().st_size)


if __name__ == "__main__":
    main()
