"""Train the `published` network on the shards of `published_samples.py`; stop it at any time, start it and it goes on.

`python -m models.training.train_published --shards DIR --out RUN [--minutes N] [--half]`
The losses are the paper's: WGAN-GP with weight 10 of the slope, 10000 L1, 0.05 |mask|, 10000 identity (mean squared
difference of embeddings of length 1). First the embedding learns to tell the training people apart and is then frozen.
Minutes are of processor time. Writes RUN/state.pt, RUN/curve.csv, RUN/sheet.png (shows the clips: never commit it).
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from models.training.published_network import (
    TRAINED_SHAPE,
    IdentityNet,
    PublishedCritic,
    PublishedNet,
    PublishedShape,
)

log = logging.getLogger("train_published")
Batch = dict[str, Tensor]
SLOPE, L1, MASK, IDENTITY = 10.0, 10_000.0, 0.05, 10_000.0
IDENTITY_STEPS, COLOUR_STEPS = 200, 100
KEYS = ("image", "source", "target", "true")


class Photos:
    """All samples in memory as bytes; every clip is one person, every still another."""

    def __init__(self, folder: Path, prefix: str = "train_") -> None:
        files = sorted(f for f in folder.glob(f"{prefix}*.npz") if ".part" not in f.name)
        self.shards = [{k: z[k] for k in KEYS} for z in map(np.load, files)]
        self.names = [f.stem.removeprefix(prefix) for f in files]
        self.first, self.people = [], 0
        for name, s in zip(self.names, self.shards, strict=True):
            self.first.append(self.people)
            self.people += len(s["image"]) if name == "stills" else 1

    def draw(self, rng: np.random.Generator, photos: int, targets: int) -> Batch:
        """Draw photos and targets of each, -1..1; `owner` names the photo of each target, `person` who is on it."""
        w = np.array([len(s["image"]) ** 0.7 for s in self.shards])
        rows: dict[str, list[np.ndarray]] = {k: [] for k in KEYS}
        owner, person = [], []
        for n, k in enumerate(rng.choice(len(w), photos, p=w / w.sum())):
            s = self.shards[k]
            i = int(rng.integers(len(s["image"])))
            at = rng.integers(0, s["target"].shape[1], targets)
            rows["image"].append(s["image"][i][None])
            rows["source"].append(s["source"][i][None])
            rows["target"].append(s["target"][i][at])
            rows["true"].append(s["true"][i][at])
            owner += [n] * targets
            person += [self.first[k] + (i if self.names[k] == "stills" else 0)] * targets
        b = {k: torch.from_numpy(np.concatenate(v).transpose(0, 3, 1, 2)).float() / 255 for k, v in rows.items()}
        return b | {"owner": torch.tensor(owner), "person": torch.tensor(person)}


def augment(b: Batch, rng: np.random.Generator) -> Batch:
    """Light, colour and mirror, the same for all pictures of one photo; 0..1 becomes -1..1."""
    n = len(b["image"])
    g = torch.from_numpy(rng.normal(0, 1, (n, 5)).astype(np.float32))[:, :, None, None]
    flip = torch.from_numpy(rng.random(n) < 0.5)[:, None, None, None]
    gamma, gain = torch.exp(0.15 * g[:, :1]), torch.exp(0.06 * g[:, 1:4] + 0.10 * g[:, 4:5] - 0.03)
    out = dict(b)
    for k in KEYS:
        row = slice(None) if k in ("image", "source") else b["owner"]
        x = (b[k] ** gamma[row] * gain[row]).clamp(0, 1)
        x = torch.where(flip[row], x.flip(-1), x) * 2 - 1
        out[k] = x.contiguous(memory_format=torch.channels_last)
    return out


class Trainer:
    """Networks, optimisers and their state on disk."""

    def __init__(self, out: Path, people: int, seed: int, rate: float, shape: PublishedShape = TRAINED_SHAPE,
                 half: bool = False, identity_steps: int = IDENTITY_STEPS) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.out, self.shape, self.half, self.step, self.spent = out, shape, half, 0, 0.0
        self.identity_steps, self.rng = identity_steps, np.random.default_rng(seed)
        nets = [PublishedNet(shape), PublishedCritic(shape), IdentityNet(people)]
        self.net, self.critic, self.identity = (n.to(memory_format=torch.channels_last) for n in nets)
        with torch.no_grad():
            self.net.decoder.mask.bias.fill_(0.5)
        self.params = list(self.net.parameters())
        self.mean = [p.detach().clone() for p in self.params]
        self.opt = torch.optim.Adam(self.params, rate, (0.5, 0.99))
        self.opt_critic = torch.optim.Adam(self.critic.parameters(), 0.5 * rate, (0.0, 0.9))
        self.opt_identity = torch.optim.Adam(self.identity.parameters(), 2e-3)
        file = out / "state.pt"
        if file.exists():
            s = torch.load(file, weights_only=False)
            if s["shape"] != shape:
                raise ValueError(f"{file} holds a network of {s['shape']}, asked for {shape}")
            for name in self._parts:
                getattr(self, name).load_state_dict(s[name])
            self.mean, self.step, self.spent = s["mean"], s["step"], s["spent"]
            self.rng.bit_generator.state = s["rng"]
            torch.set_rng_state(s["torch"])
            log.info("going on at step %d", self.step)

    _parts = ("net", "critic", "identity", "opt", "opt_critic", "opt_identity")

    def save(self) -> None:
        """Write the state, atomically."""
        s = {n: getattr(self, n).state_dict() for n in self._parts}
        s |= {"mean": self.mean, "step": self.step, "spent": self.spent, "rng": self.rng.bit_generator.state,
              "torch": torch.get_rng_state(), "shape": self.shape}  # fmt: skip
        torch.save(s, self.out / "state.part")
        (self.out / "state.part").replace(self.out / "state.pt")

    def learn(self, photos: Photos, many: int, targets: int) -> dict[str, float]:
        """One step: of the embedding at first, then of generator and critic on `many` photos of `targets` each."""
        early = self.step < self.identity_steps
        b = augment(photos.draw(self.rng, 24 if early else many, 1 if early else targets), self.rng)
        row = self._tell_apart(b) if early else self._contest(b)
        self.step += 1
        return row

    def _tell_apart(self, b: Batch) -> dict[str, float]:
        x = torch.cat([b["image"], b["true"]])
        who = torch.cat([b["person"], b["person"]])
        scores = self.identity.scores(torch.roll(x, tuple(self.rng.integers(-8, 9, 2)), (2, 3)))
        loss = F.cross_entropy(scores, who)
        self.opt_identity.zero_grad(set_to_none=True)
        loss.backward()
        self.opt_identity.step()
        return {"who": float(loss.detach()), "known": float((scores.argmax(1) == who).float().mean())}

    def run(self, b: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Finished pictures, masks and the colour under them."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            code, maps = self.net.of_source(b["image"], b["source"])
            own = b["owner"]
            colour, mask = self.net.finish(code[own], [m[own] for m in maps], b["target"])
        colour, mask = colour.float(), mask.float()
        return colour * mask + b["image"][own] * (1 - mask), mask, colour

    def _score(self, x: Tensor, target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            return self.critic(torch.cat([x, target], 1)).float()

    def _contest(self, b: Batch) -> dict[str, float]:
        true, target = b["true"], b["target"]
        got, mask, colour = self.run(b)
        fake = got.detach()
        share = torch.rand(len(true), 1, 1, 1)
        between = (share * true + (1 - share) * fake).requires_grad_(True)
        (g,) = torch.autograd.grad(self._score(between, target).sum(), between, create_graph=True)
        slope = (g.flatten(1).norm(dim=1) - 1).square().mean()
        gap = self._score(fake, target).mean() - self._score(true, target).mean()
        self.opt_critic.zero_grad(set_to_none=True)
        (gap + SLOPE * slope).backward()
        self.opt_critic.step()
        self.critic.requires_grad_(False)
        score = self._score(got, target).mean()
        l1, cover = (got - true).abs().mean(), mask.mean()
        who = (self.identity(got) - self.identity(true).detach()).square().mean()
        done = self.step - self.identity_steps
        early = max(0.0, 1 - done / COLOUR_STEPS) * (colour - true).abs().mean()
        self.opt.zero_grad(set_to_none=True)
        (-score + L1 * (l1 + early) + MASK * cover + IDENTITY * who).backward()
        self.critic.requires_grad_(True)
        torch.nn.utils.clip_grad_norm_(self.params, 2_000.0)
        self.opt.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, self.params, max(0.01, 1 / (0.2 * done + 2)))
        values = {"l1": 127.5 * l1, "mask": cover, "identity": who, "gap": gap, "slope": slope}
        return {k: float(v.detach()) for k, v in values.items()}

    @torch.no_grad()
    def settle(self, photos: Photos, batches: int = 12) -> None:
        """Take the statistics of the batch norms anew for the weights that are in: the steps' own lag behind a mean."""
        norms = [m for m in self.net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for m in norms:
            m.reset_running_stats()
            m.momentum = None  # plain average
        rng = np.random.default_rng(0)
        for _ in range(batches):
            self.run(augment(photos.draw(rng, 4, 2), rng))
        for m in norms:
            m.momentum = 0.1

    def swap(self) -> None:
        """Exchange the weights and their running mean; call it in pairs."""
        with torch.no_grad():
            for p, m in zip(self.params, self.mean, strict=True):
                now = p.detach().clone()
                p.copy_(m)
                m.copy_(now)


@torch.no_grad()
def validate(t: Trainer, photos: Photos, sheet: Path | None = None) -> dict[str, float]:
    """Errors 0..255 on held-out people, of the network and of the photo held still; draws the sheet."""
    t.net.eval()
    errors, lines = [], []
    for s in photos.shards:
        b = {k: torch.from_numpy(s[k][0]).reshape(-1, *s[k].shape[-3:]).permute(0, 3, 1, 2).float() / 127.5 - 1
             for k in KEYS} | {"owner": torch.zeros(len(s["true"][0]), dtype=torch.long)}  # fmt: skip
        got, mask, _ = t.run(b)
        face = (b["target"] > -1).any(1, keepdim=True).float()
        e = [127.5 * (x - b["true"]).abs() for x in (got, b["image"].expand_as(got))]
        errors.append([*(float(x.mean()) for x in e), *(float((x * face).sum() / face.sum() / 3) for x in e)])
        for i in (2, -1):
            row = [b["image"][0], b["target"][i], mask[i].expand(3, -1, -1) * 2 - 1, got[i], b["true"][i]]
            lines.append(torch.cat(row, 2).permute(1, 2, 0).add(1).mul(127.5).clamp(0, 255).numpy().astype(np.uint8))
    t.net.train()
    if sheet is not None:
        half = (len(lines) + 1) // 2
        lines += [np.zeros_like(lines[0])] * (2 * half - len(lines))
        cv2.imwrite(str(sheet), np.hstack([np.vstack(lines[:half]), np.vstack(lines[half:])])[:, :, ::-1])
    return dict(zip(("net", "still", "face_net", "face_still"), np.mean(errors, 0).tolist(), strict=True))


def checkpoint(t: Trainer, train: Photos, val: Photos) -> None:
    """Save, judge the running mean of the weights, add a line to the curve."""
    t.swap()
    t.settle(train)  # what is exported is the mean with these statistics
    r = validate(t, val, t.out / "sheet.png") if val.shards else {}
    t.swap()
    t.save()
    if not r:
        return
    new = not (t.out / "curve.csv").exists()
    with (t.out / "curve.csv").open("a", newline="") as f:
        w = csv.writer(f)
        if new:
            w.writerow(["step", "minutes", *r])
        w.writerow([t.step, round(t.spent / 60, 1), *(round(v, 3) for v in r.values())])
    log.info("step %d: %s", t.step, {k: round(v, 2) for k, v in r.items()})


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--shards", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=25, help="of processor time")
    ap.add_argument("--photos", type=int, default=3, help="photos a step")
    ap.add_argument("--targets", type=int, default=2, help="targets of each")
    ap.add_argument("--rate", type=float, default=1e-3)
    ap.add_argument("--width", type=int, nargs=2, default=(TRAINED_SHAPE.narrow, TRAINED_SHAPE.wide),
                    help="channels of the finest level and at most; the paper's are 64 512")  # fmt: skip
    ap.add_argument("--half", action="store_true", help="bfloat16 autocast, for processors that have it")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--save-every", type=float, default=120, help="seconds of processor time")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(a.threads)
    if a.half and not torch.cpu._is_avx512_bf16_supported():
        log.warning("--half: this processor has no bfloat16, it is several times slower than without")
    a.out.mkdir(parents=True, exist_ok=True)
    train, val = Photos(a.shards), Photos(a.shards, "val_")
    t = Trainer(a.out, train.people, a.seed, a.rate, PublishedShape(128, *a.width), a.half)
    saved, sums = time.process_time(), dict[str, list[float]]()
    while (spent := t.spent + time.process_time() - saved) < 60 * a.minutes:
        t.opt.param_groups[0]["lr"] = a.rate * min(1.0, max(0.1, 2.5 * (1 - spent / (60 * a.minutes))))
        for k, v in t.learn(train, a.photos, a.targets).items():
            sums.setdefault(k, []).append(v)
        if t.step % 20 == 0:
            log.info("%d %.0fs %s", t.step, spent, {k: round(float(np.mean(v)), 4) for k, v in sums.items()})
            sums = {}
        if time.process_time() - saved > a.save_every:
            t.spent += time.process_time() - saved
            checkpoint(t, train, val)
            saved = time.process_time()
    t.spent += time.process_time() - saved
    checkpoint(t, train, val)


if __name__ == "__main__":
    main()
