"""Train the learned predictor on `models/data/trajectories.npz`, held-out people left out.

`python -m models.training.train_dynamics --out models/data/dynamics.npz [--steps 11000]`

Each pass shows 20 seconds of every person, changed in time (slower, faster, other frame rates, jittered stamps, dropped
frames), in size, in sign, and with the tracker's own noise as it was measured on still faces; truth is the zero-phase
smoothed trajectory at a random horizon of 0 to 150 ms, and its speed there.
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
from models.dynamics_net import DEPTH, N_HEAD, N_INPUT, SPEED_S, DynamicsNet, inputs, load_net, noise_at, save_net
from models.dynamics_space import N_ROW, REGION_OF, REGIONS
from models.trajectories import DATA, Track, load_takes, sample, split

log = logging.getLogger("train_dynamics")
_CHUNK = 12  # frames that share a horizon
_DT = 0.01  # s either side, for speeds
_EXCERPT_S = 20.0  # of a track in each pass: nobody outweighs the others
_OTHERS = 26  # columns beside the head's in a step, drawn anew each time
_LEAST_SHARE = 0.25  # of the motion in 100 ms: what an error is measured by at horizon 0
_PAIRS = 96  # of neighbouring instants in a step
_SPEED_CALM = 0.3  # share of the speed that is shown at most
_SIGNED = [i for name in ("turn", "shift", "learned", "gaze") for i in REGIONS[name]]


@dataclass
class Batchable:
    """Instants of all people in one pass."""

    past: np.ndarray  # (T, N_ROW, N_PAST)
    last: np.ndarray  # (T, N_ROW)
    step: np.ndarray  # (T,)
    ahead: np.ndarray  # (T,) s
    want: np.ndarray  # (T, N_ROW) truth minus last
    speed: np.ndarray  # (T, N_ROW) change of the truth within SPEED_S, at its speed then
    pair: np.ndarray  # first frames of neighbouring pairs with one horizon


def noise_of(stills: list[Track]) -> np.ndarray:
    """Tracker noise of every coordinate: RMS about the mean on still faces, with a floor of its region's mean."""
    off = np.concatenate([(k.rows - k.truth) / depth_share(k.rows) for k in stills])
    rms = np.sqrt((off**2).mean(0))
    region = np.array([np.sqrt((rms[list(c)] ** 2).mean()) for c in REGIONS.values()])[REGION_OF]
    return np.maximum(rms, 0.5 * region).astype(np.float32)


def depth_share(rows: np.ndarray) -> np.ndarray:
    """What a row's noise is over that at `NOISE_DEPTH_MM`, (.., N_ROW): 1 but for the depth itself."""
    return noise_at(np.ones(N_ROW, np.float32), rows[..., DEPTH])


def scale_of(tracks: list[Track]) -> np.ndarray:
    """RMS motion within 100 ms of every coordinate's region."""
    moved = np.concatenate([(sample(k.t, k.truth, k.t + 0.1) - k.truth) / depth_share(k.rows) for k in tracks])
    rms = (moved**2).mean(0)
    return np.sqrt(np.array([rms[list(c)].mean() for c in REGIONS.values()]))[REGION_OF]


def vary(rng: np.random.Generator, track: Track, noises: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stamps, rows and a truth on the same stamps' scale of one changed track."""
    still = track.name.startswith("still_")
    size = 1.0 if still else float(rng.uniform(0.6, 1.5))
    stretch = 1.0 if still else float(rng.uniform(0.75, 1.4))
    first = int(rng.integers(max(1, len(track.t) - round(_EXCERPT_S * track.fps))))
    cut = slice(first, first + round(_EXCERPT_S * track.fps))
    t = (track.t[cut] - track.t[first]) * stretch
    rows, truth = track.rows[cut], track.truth[cut]
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
        shake = rng.uniform(0.3, 1.5) * n[i] * depth_share(truth_at)
        rows, truth, t = truth_at + shake * np.sign(sign), truth_at, at
    keep = rng.random(len(t)) > rng.choice([0.0, 0.0, 0.08, 0.2])
    keep[0] = True
    stamps = t + rng.uniform(-1, 1, len(t)) * rng.choice([0.0, 0.001, 0.004])
    return np.maximum.accumulate(stamps[keep] + 1e-5 * np.arange(keep.sum())), rows[keep], truth[keep]


def one_pass(rng: np.random.Generator, tracks: list[Track], noises: list[np.ndarray]) -> Batchable:
    """Change every track once and gather all its instants."""
    parts: list[list[np.ndarray]] = [[] for _ in range(6)]
    pairs, n = [], 0
    for track in tracks:
        t, rows, truth = vary(rng, track, noises)
        if len(t) < 3 * _CHUNK:
            continue
        h = np.where(rng.random(len(t) // _CHUNK + 1) < 0.25, 0.0, rng.uniform(0, 0.15, len(t) // _CHUNK + 1))
        ahead = np.repeat(h, _CHUNK)[: len(t)]
        good = (t + ahead <= t[-1]) & (t > t[0] + 0.1)
        want = sample(t, truth, t + ahead) - rows
        later = sample(t, truth, t + ahead + _DT) - sample(t, truth, t + ahead - _DT)
        speed = later * (SPEED_S / (2 * _DT))
        step = np.diff(t, prepend=t[0] - 1 / 30)
        for part, value in zip(parts, (past_of(t, rows), rows, step, ahead, want, speed), strict=True):
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
        sizes = ((N_INPUT, hidden), (hidden, hidden), (hidden, 2 * N_PAST))
        self.layers = nn.ModuleList([nn.Linear(*s) for s in sizes])
        nn.init.zeros_(self.layers[2].weight)
        nn.init.zeros_(self.layers[2].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs (.., N_INPUT) to weights (.., 2 N_PAST): of the row and of its speed."""
        x = nn.functional.softsign(self.layers[0](x))
        x = nn.functional.softsign(self.layers[1](x))
        return self.layers[2](x)


def loss_of(
    net: Net, p: Batchable, k: np.ndarray, c: np.ndarray, noise: np.ndarray, scale: np.ndarray, calm: float
) -> torch.Tensor:
    """Loss of the instants `k` (neighbours in time side by side) in the columns `c`, which begin with the head's.

    Error in units of the motion within the horizon, unrest of the error, and both of the head's speed.
    """
    x = inputs(p.past[k], p.last[k], p.step[k], noise)[:, c]
    x[:, :, N_PAST + 4] = (p.ahead[k] / 0.1)[:, None]
    share = depth_share(p.last[k])
    s, sigma = torch.from_numpy((scale * share)[:, c]), torch.from_numpy((noise * share)[:, c])
    within = s * torch.from_numpy(np.maximum(p.ahead[k] / 0.1, _LEAST_SHARE))[:, None]
    past = torch.from_numpy(p.past[k][:, c])[:, :, None, :]
    got = (net(torch.from_numpy(x)).unflatten(2, (2, N_PAST)) * past).sum(3)
    e = got[:, :, 0] - torch.from_numpy(p.want[k][:, c])
    ev = got[:, :N_HEAD, 1] - torch.from_numpy(p.speed[k][:, :N_HEAD])
    de, dev = e[1::2] - e[::2], ev[1::2] - ev[::2]
    loss = nn.functional.huber_loss(e / within, torch.zeros_like(e), delta=3.0)
    loss = loss + 0.2 * ((de / within[::2]) ** 2).clamp(max=4).mean()
    for off, size in ((e, sigma), (de, sigma[::2])):
        loss = loss + calm * torch.log1p((off / size) ** 2).mean()
    of_head = nn.functional.huber_loss(ev / s[:, :N_HEAD], torch.zeros_like(ev), delta=3.0)
    of_head = of_head + calm * torch.log1p((_SPEED_CALM * dev / sigma[::2, :N_HEAD]) ** 2).mean()
    return loss + N_HEAD / len(c) * of_head


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=11_000)
    ap.add_argument("--hidden", type=int, default=32)
    ap.add_argument("--calm", type=float, default=0.02, help="weight of calm against accuracy")
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
    noises = [(k.rows - k.truth) / depth_share(k.rows) for k in data.still_train]
    net = Net(a.hidden)
    if a.start is not None:
        begun = load_net(a.start)
        for layer, w, b in zip(net.layers, begun.w, begun.b, strict=True):
            layer.weight.data, layer.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b.copy())
    best = torch.optim.Adam(net.parameters(), lr=a.rate)
    start, step = time.perf_counter(), 0
    seen: list[float] = []
    while step < a.steps:
        p = one_pass(rng, train + data.still_train, noises)
        order = rng.permutation(p.pair)
        for i in range(0, len(order) - _PAIRS, _PAIRS):
            for group in best.param_groups:
                group["lr"] = a.rate * (0.5 * (1 + np.cos(np.pi * min(1.0, step / a.steps)))) + 1e-5
            first = order[i : i + _PAIRS]
            columns = np.concatenate([np.arange(N_HEAD), N_HEAD + rng.permutation(N_ROW - N_HEAD)[:_OTHERS]])
            loss = loss_of(net, p, np.stack([first, first + 1], 1).ravel(), columns, noise, scale, a.calm)
            best.zero_grad()
            loss.backward()
            best.step()
            seen.append(float(loss.detach()))
            step += 1
            if step % 2000 == 0:
                log.info("%d steps, %.0f s, loss %.4f", step, time.perf_counter() - start, np.mean(seen[-2000:]))
            if step == a.steps:
                break
    w = tuple(layer.weight.detach().numpy().T.copy() for layer in net.layers)
    b = tuple(layer.bias.detach().numpy().copy() for layer in net.layers)
    save_net(DynamicsNet(noise, w, b), a.out)
    log.info("loss %.4f, %d bytes", np.mean(seen[-2000:]), a.out.stat().st_size)


if __name__ == "__main__":
    main()
