"""Train the mouth network; a run that was killed goes on where its last checkpoint stands.

`python -m models.training.train_mouth --samples SAMPLES --run RUN --minutes 40`, then
`python -m models.training.export_mouth --run RUN --out models/data/mouth.onnx`
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from models.mouth_crop import window
from models.training.mouth_network import Critic, MouthNet

log = logging.getLogger("train_mouth")
GAN_FROM = 350  # steps of plain L1 first
CHECKPOINT_S = 120.0


def load(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Read all samples of a kind ("train", "held") into one set of arrays, with the clip each came from."""
    parts = []
    for n, f in enumerate(sorted(folder.glob(f"{kind}_*.npz"))):
        with np.load(f) as z:
            if len(z["open"]):
                parts.append({k: z[k] for k in z.files} | {"clip": np.full(len(z["open"]), n)})
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def batch(
    d: dict[str, np.ndarray], ids: np.ndarray, rng: np.random.Generator | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Network input (N, 9, 96, 96) and truth (N, 3, 96, 96), 0..1; augmented when a generator is given."""

    def t(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a)).float() / 255

    warped, source, truth = (t(d[k][ids]).permute(0, 3, 1, 2) for k in ("warped", "source", "truth"))
    m = t(d["masks"][ids])
    if rng is not None:
        n = len(ids)
        gain = torch.from_numpy(rng.uniform(0.6, 1.35, (n, 1, 1, 1)) * rng.uniform(0.88, 1.12, (n, 3, 1, 1))).float()
        gamma = torch.from_numpy(rng.uniform(0.75, 1.35, (n, 1, 1, 1))).float()

        def light(x: torch.Tensor) -> torch.Tensor:
            return torch.clamp(x.clamp_min(1e-4) ** gamma * gain, 0, 1)

        warped, source, truth = light(warped), light(source), light(truth)
        # The picture a user brings may be softer or noisier than its own driver: both inputs alike.
        noise = torch.from_numpy(rng.uniform(0, 0.02, (n, 1, 1, 1))).float()
        warped = (warped + noise * torch.randn_like(warped)).clamp(0, 1)
        if rng.random() < 0.5:
            warped, source, truth, m = (x.flip(3) for x in (warped, source, truth, m))
    return torch.cat([warped, source, m], 1), truth


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--samples", type=Path, required=True)
    ap.add_argument("--run", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=40.0)
    ap.add_argument("--batch", type=int, default=12)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    a.run.mkdir(parents=True, exist_ok=True)
    train, held = load(a.samples, "train"), load(a.samples, "held")
    p = 0.15 * train["open"].max() + train["open"]
    per_clip = np.bincount(train["clip"], weights=p)
    p = p / per_clip[train["clip"]]
    p /= p.sum()
    net, critic = MouthNet().to(memory_format=torch.channels_last), Critic().to(memory_format=torch.channels_last)
    opt_g = torch.optim.Adam(net.parameters(), 4e-4, betas=(0.5, 0.99))
    opt_d = torch.optim.Adam(critic.parameters(), 4e-4, betas=(0.5, 0.99))
    step, spent, curve = 0, 0.0, []
    state_file = a.run / "state.pt"
    if state_file.exists():
        s = torch.load(state_file, weights_only=False)
        net.load_state_dict(s["net"]), critic.load_state_dict(s["critic"])
        opt_g.load_state_dict(s["opt_g"]), opt_d.load_state_dict(s["opt_d"])
        step, spent, curve = s["step"], s["spent"], s["curve"]
    ema = {
        k: v.detach().clone()
        for k, v in (
            torch.load(state_file, weights_only=False)["ema"] if state_file.exists() else net.state_dict()
        ).items()
    }
    win = torch.from_numpy(window())[None, None]
    started = saved = time.monotonic()
    running: dict[str, float] = {}

    def save() -> None:
        part = state_file.with_suffix(".part")
        torch.save({"net": net.state_dict(), "ema": ema, "critic": critic.state_dict(), "opt_g": opt_g.state_dict(), "opt_d": opt_d.state_dict(),
                    "step": step, "spent": spent + time.monotonic() - started, "curve": curve}, part)  # fmt: skip
        os.replace(part, state_file)
        with (a.run / "curve.csv").open("w", newline="") as f:
            csv.writer(f).writerows([("step", "minutes", "train_l1", "held_l1", "held_warp_l1"), *curve])

    while spent + time.monotonic() - started < a.minutes * 60:
        rng = np.random.default_rng([a.seed, step])
        ids = rng.choice(len(p), a.batch, p=p)
        x, truth = batch(train, ids, rng)
        x = x.contiguous(memory_format=torch.channels_last)
        progress = (spent + time.monotonic() - started) / (a.minutes * 60)
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = 4e-4 * (1.0 if progress < 0.6 else max(0.1, (1 - progress) / 0.4))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = net(x)
        y = y.float()
        mask = y[:, 3:] * win
        fake = y[:, :3] * mask + x[:, :3] * (1 - mask)
        inner, lips = x[:, 6:7], x[:, 7:8]
        weight = 1.0 + 4.0 * inner + 1.5 * lips
        l1 = ((fake - truth).abs() * weight).mean()
        colour = ((y[:, :3] - truth).abs() * (inner + 0.3 * lips)).mean()
        outside = (mask * (1 - F.max_pool2d(lips, 13, 1, 6))).mean()
        loss = 10 * l1 + 3 * colour + 0.6 * outside
        adversarial = step >= GAN_FROM
        if adversarial:
            real_in = torch.cat([truth, x[:, 6:8]], 1)
            fake_in = torch.cat([fake, x[:, 6:8]], 1)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                real_f, fake_f = critic(real_in), critic(fake_in.detach())
            d_loss = F.relu(1 - real_f[-1].float()).mean() + F.relu(1 + fake_f[-1].float()).mean()
            opt_d.zero_grad(set_to_none=True)
            d_loss.backward()
            opt_d.step()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                fake_f = critic(fake_in)
                real_f = [f.detach() for f in real_f]
            feature = sum((f.float() - r.float()).abs().mean() for f, r in zip(fake_f[:-1], real_f[:-1], strict=True))
            loss = loss - 0.10 * fake_f[-1].float().mean() + 0.8 * feature
        opt_g.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt_g.step()
        step += 1
        decay = min(0.995, (step + 1) / (step + 10))
        with torch.no_grad():
            for k, v in net.state_dict().items():
                ema[k].lerp_(v, 1 - decay) if v.is_floating_point() else ema[k].copy_(v)
        running["l1"] = 0.98 * running.get("l1", float(l1)) + 0.02 * float(l1)
        if step % 200 == 0:
            scored = evaluate(ema, held, win)
            curve.append((step, round((spent + time.monotonic() - started) / 60, 2), round(running["l1"], 5), *scored))
            log.info("step %d, %.1f min: train %.4f, held %.4f against warp %.4f", *curve[-1])
        if time.monotonic() - saved > CHECKPOINT_S:
            save()
            saved = time.monotonic()
    save()


def evaluate(weights: dict[str, torch.Tensor], held: dict[str, np.ndarray], win: torch.Tensor) -> tuple[float, float]:
    """Mean error 0..255 inside the mouth, of the network and of the warp, on people it has not seen."""
    net = MouthNet()
    net.load_state_dict(weights)
    ids = np.arange(0, len(held["open"]), max(1, len(held["open"]) // 120))
    x, truth = batch(held, ids, None)
    with torch.no_grad():
        y = net(x)
    mask = y[:, 3:] * win
    fake = y[:, :3] * mask + x[:, :3] * (1 - mask)
    lips = x[:, 7:8]

    def error(z: torch.Tensor) -> float:
        return round(float(((z - truth).abs() * lips).sum() / (3 * lips.sum()) * 255), 3)

    return error(fake), error(x[:, :3])


if __name__ == "__main__":
    main()
