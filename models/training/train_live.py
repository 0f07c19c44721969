"""Train one `live` network on the shards of `train_samples.py`; stop it at any time, start it again and it goes on.

`python -m models.training.train_live mouth --shards DIR --out RUN [--minutes N]` (or `eye`)
Writes RUN/state.pt every three minutes (weights, averaged weights, optimisers, random state, step), RUN/curve.csv and
RUN/sheet_*.png (looked at, never committed: they show the clips).
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from models.assets import asset_path
from models.training import losses
from models.training.export_live import restore
from models.training.live_batches import Batch, Shards, augment, pick
from models.training.networks import SHAPES, Critic, LiveNet, SourceBranch, finish

if TYPE_CHECKING:
    from models.training.reading import Judge

log = logging.getLogger("train_live")
SLOPE, SLOPE_EVERY = 0.02, 8  # weight of the critic's slope, and every how many steps it is measured
FEATURES, SHARE = 8.0, 1.0  # weight of the critic's features; the critic's pull over that of the other losses
DETAIL = 6.0  # weight of the missing fineness
READ_DEEP = 0.3  # weight of the landmark network's features, over that of its points


class Trainer:
    """Networks, optimisers and their state on disk."""

    def __init__(self, kind: str, out: Path, seed: int, rate: float, half: bool = False,
                 start: Path | None = None, fine: float = 0.0) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.kind, self.out, self.shape, self.step, self.spent = kind, out, SHAPES[kind], 0, 0.0
        self.rng, self.half, self.balance = np.random.default_rng(seed), half, 1.0
        self.fine = fine  # wanted fineness over the truth's; 0 does not ask
        self.judged: Judge | None = None  # what the landmark network reads off painted mouths
        nets = [SourceBranch(self.shape), LiveNet(self.shape), Critic(self.shape)]
        self.source, self.live, self.critic = (n.to(memory_format=torch.channels_last) for n in nets)
        if start is not None:
            restore(self.live, start / f"generator_{kind}.onnx")
            restore(self.source, start / f"generator_{kind}_source.onnx")
        self.params = [*self.source.parameters(), *self.live.parameters()]
        self.mean = [p.detach().clone() for p in self.params]
        self.opt = torch.optim.Adam(self.params, rate, (0.5, 0.99))
        self.opt_critic = torch.optim.Adam(self.critic.parameters(), 0.8 * rate, (0.5, 0.99))
        file = out / "state.pt"
        if file.exists():
            s = torch.load(file, weights_only=False)
            for name in ("source", "live", "critic", "opt", "opt_critic"):
                getattr(self, name).load_state_dict(s[name])
            self.mean, self.step, self.spent, self.balance = s["mean"], s["step"], s["spent"], s["balance"]
            self.rng.bit_generator.state = s["rng"]
            torch.set_rng_state(s["torch"])
            log.info("going on at step %d", self.step)

    def save(self) -> None:
        """Write the state, atomically."""
        s = {n: getattr(self, n).state_dict() for n in ("source", "live", "critic", "opt", "opt_critic")}
        s |= {"mean": self.mean, "step": self.step, "spent": self.spent, "rng": self.rng.bit_generator.state,
              "torch": torch.get_rng_state(), "kind": self.kind, "balance": self.balance}  # fmt: skip
        torch.save(s, self.out / "state.part")
        (self.out / "state.part").replace(self.out / "state.pt")

    def run(self, b: Batch) -> tuple[Tensor, Tensor]:
        """Finished crops and what was painted."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            fine, code = (f[b["owner"]] for f in self.source(b["src"]))
            painted = self.live(torch.cat([b["warp"], b["mask"]], 1), b["turn"], fine, code).float()
        return finish(b["warp"], painted), painted

    def judge(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores and features of the critic."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            score, features = self.critic(x)
        return score.float(), [f.float() for f in features]

    def learn(self, b: Batch, warm: int) -> dict[str, float]:
        """One step of both networks."""
        ramp = min(1.0, max(0.0, (self.step - warm) / 300))
        weight = losses.region(b["mask"])
        got, painted = self.run(b)
        row = {"l1": losses.weighted_l1(got, b["true"], weight), "coarse": losses.coarse_l1(got, b["true"], weight),
               "edge": losses.edges(got, b["true"], weight),
               "restraint": losses.restraint(painted, b["mask"])}  # fmt: skip
        pairs = len(b["owner"]) - len(b["src"])
        if self.fine > 0:
            row["detail"] = losses.detail(got, b["true"], b["mask"], self.fine)
        row["lips"] = losses.lips_kept(painted, b["mask"])
        loss = (
            0.5 * row["lips"]
            + (16 - 6 * ramp) * row["l1"]
            + 10 * row["coarse"]
            + (16 - 8 * ramp) * row["edge"]
            + row["restraint"]
        )
        if self.fine > 0:
            loss = loss + DETAIL * row["detail"]
        if pairs:
            row["steady"] = losses.steadiness(got, b["true"], weight, pairs)
            loss = loss + 5 * row["steady"]
        if self.step >= warm - 100:
            loss = loss + self._contest(b, got, row, ramp, loss)
        if self.judged is not None:
            some = self.judged.draw(self.rng)
            row["read"], row["read_deep"] = self.judged.misreading(some, self.run(some)[0])
            loss = loss + self.judged.weight * (row["read"] + READ_DEEP * row["read_deep"])
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 5.0)
        self.opt.step()
        keep = min(0.998, 1 - 1 / (0.2 * self.step + 2))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, self.params, 1 - keep)
        self.step += 1
        return {k: float(v.detach()) for k, v in row.items()}

    def _contest(self, b: Batch, got: Tensor, row: dict[str, Tensor], ramp: float, faithful: Tensor) -> Tensor:
        """Teach the critic, then return what it asks of the other networks."""
        blob = losses.within(b["mask"])
        inside = got * blob + b["true"] * (1 - blob)
        real_x, fake_x = (torch.cat([x, b["mask"]], 1) for x in (b["true"], inside))
        real, real_f = self.judge(real_x)
        fake, _ = self.judge(fake_x.detach())
        seen = (F.adaptive_max_pool2d(blob, real.shape[-2:]) > 0.3).float()
        row["critic"] = teach = losses.critic_hinge(real, fake, seen)
        if self.step % SLOPE_EVERY == 0:
            x = real_x.detach().requires_grad_(True)
            row["slope"] = losses.slope(self.critic(x)[0], x, seen)
            teach = teach + SLOPE_EVERY * SLOPE * row["slope"]
        self.opt_critic.zero_grad(set_to_none=True)
        teach.backward()
        self.opt_critic.step()
        if ramp == 0:
            return got.new_zeros(())
        self.critic.requires_grad_(False)
        score, fake_f = self.judge(fake_x)
        row["features"], row["score"] = losses.features(fake_f, real_f), losses.over(score, seen)
        if self.step % 10 == 0:
            self._weigh(faithful, -row["score"])
        self.critic.requires_grad_(True)
        informed = min(1.0, max(0.0, (2.0 - float(row["critic"].detach())) / 0.2))  # a critic that guesses is not heard
        row["balance"] = torch.tensor(self.balance * informed)
        return ramp * (FEATURES * row["features"] - self.balance * informed * row["score"])

    def _weigh(self, faithful: Tensor, critic: Tensor) -> None:
        """Bring the critic's pull on the last layer to a share of what the other losses pull (Esser et al. 2021)."""
        w = self.live.out.weight
        a, b = (torch.autograd.grad(x, w, retain_graph=True)[0].norm() for x in (faithful, critic))
        self.balance += 0.2 * (SHARE * min(float(a / (b + 1e-6)), 6.0) - self.balance)

    def averaged(self, on: bool) -> None:
        """Swap the averaged weights in (True) or out (False); call it in pairs."""
        del on
        with torch.no_grad():
            for p, m in zip(self.params, self.mean, strict=True):
                p_now = p.detach().clone()
                p.copy_(m)
                m.copy_(p_now)


@torch.no_grad()
def validate(t: Trainer, shards: Shards) -> dict[str, dict[str, float]]:
    """Errors in the opening and around it (0..255), sharpness against the truth's, for each held-out name."""
    report = {}
    for name, s in shards.seen.items():
        rows = [pick(s, i, t.kind, e) for i in range(len(s["src"])) for e in range(2 if t.kind == "eye" else 1)]
        b = {k: torch.from_numpy(np.concatenate([r[k] for r in rows])) for k in rows[0]}
        b["owner"] = torch.arange(len(rows)).repeat_interleave(2)
        got, _ = t.run(b)
        m = b["mask"][:, -1:]
        both = (("warp", b["warp"]), ("net", got))
        truth = losses.sharpness(b["true"], m)
        err = {k: float(((x - b["true"]).abs() * m).sum() / m.sum() / 3 * 255) for k, x in both}
        err |= {f"sharp_{k}": float(losses.sharpness(x, m) / truth) for k, x in both}
        err |= {f"flicker_{k}": float(((x[1::2] - x[::2]).abs() * m[::2]).sum() / m[::2].sum() / 3 * 255)
                for k, x in (("true", b["true"]), *both)}  # fmt: skip
        report[name.removeprefix("val_").removesuffix(".npz")] = err
    report["mean"] = {k: float(np.mean([r[k] for r in report.values()])) for k in next(iter(report.values()))}
    return report


@torch.no_grad()
def sheet(t: Trainer, shards: Shards, file: Path, columns: int = 6) -> None:
    """Source, warp, network, mask and truth of held-out people, a row of samples each."""
    lines = []
    for s in shards.seen.values():
        area = s["mask"][:, 0].reshape(len(s["src"]), -1).mean(1)
        wide = np.argsort(-area if t.kind == "mouth" else area)[: columns // 2]
        even = np.linspace(0, len(s["src"]) - 1, columns - len(wide)).astype(int)
        cells = []
        for i in (*wide, *even):
            b = {k: torch.from_numpy(v) for k, v in pick(s, int(i), t.kind, int(i) % 2).items()}
            got, painted = t.run(b | {"owner": torch.zeros(2, dtype=torch.long)})
            cell = torch.cat(
                [b["src"], b["warp"][:1], got[:1], painted[:1, 3:].expand(-1, 3, -1, -1), b["true"][:1]], 3
            )
            cells.append(cell[0].permute(1, 2, 0).clamp(0, 1).numpy())
        lines.append(np.hstack(cells[:3]))
        lines.append(np.hstack(cells[3:]))
    cv2.imwrite(str(file), np.rint(np.vstack(lines)[:, :, ::-1] * 255).astype(np.uint8))


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=sorted(SHAPES))
    ap.add_argument("--shards", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--steps", type=int, default=1_000_000)
    ap.add_argument("--singles", type=int, default=10, help="samples of one frame a step")
    ap.add_argument("--pairs", type=int, default=3, help="samples of two neighbouring frames a step")
    ap.add_argument("--rate", type=float, default=5e-4)
    ap.add_argument("--warm", type=int, default=600, help="steps before the critic counts")
    ap.add_argument("--half", action="store_true", help="bfloat16 autocast, for processors that have it")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--start", type=Path, help="folder of exported networks to begin from, such as models/data")
    ap.add_argument("--fine", type=float, default=0.0, help="wanted fineness over the truth's; above 1 makes up for "
                    "enlargement, 0 does not ask")  # fmt: skip
    ap.add_argument("--read", type=float, default=0.0, help="weight of what the landmark network reads off a painted "
                    "mouth (decision 0410); 0 does not ask")  # fmt: skip
    ap.add_argument("--faces", type=Path, help="folder of reader_samples.py, for --read")
    ap.add_argument("--read-count", type=int, default=3, help="samples a step for --read")
    ap.add_argument("--save-every", type=float, default=180, help="seconds")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(a.threads)
    if a.half and not torch.cpu._is_avx512_bf16_supported():
        log.warning("--half: this processor has no bfloat16, it is several times slower than without")
    a.out.mkdir(parents=True, exist_ok=True)
    t, train, val = (
        Trainer(a.kind, a.out, a.seed, a.rate, a.half, a.start, a.fine),
        Shards(a.shards, a.kind),
        Shards(a.shards, a.kind, "val_"),
    )
    if a.read > 0:
        from models.training.reader import Reader
        from models.training.reading import Faces, Judge

        reader = Reader(asset_path("face_landmarker.task"))
        t.judged = Judge(reader, Faces(a.faces or a.shards), a.read, a.read_count)
    start = saved = time.monotonic()
    sums: dict[str, list[float]] = {}
    while t.step < a.steps and (spent := t.spent + time.monotonic() - saved) < 60 * a.minutes:
        left = 1 - spent / (60 * a.minutes)
        for opt, k in ((t.opt, 1.0), (t.opt_critic, 0.8)):  # the rate falls during the last third
            opt.param_groups[0]["lr"] = k * a.rate * min(1.0, max(0.1, 3 * left))
        b = augment(train.draw(t.rng, a.singles, a.pairs), t.rng, a.kind == "mouth")
        for k, v in t.learn(b, a.warm).items():
            sums.setdefault(k, []).append(v)
        if t.step % 25 == 0:
            means = {k: round(float(np.mean(v)), 4) for k, v in sums.items()}
            log.info("%d %.0fs %s", t.step, time.monotonic() - start, means)
            sums = {}
        if time.monotonic() - saved > a.save_every:
            t.spent += time.monotonic() - saved
            saved = time.monotonic()
            checkpoint(t, val)
            train.refresh()
    t.spent += time.monotonic() - saved
    checkpoint(t, val)


def checkpoint(t: Trainer, val: Shards) -> None:
    """Save, validate with the averaged weights, add to the curve and draw the sheet."""
    t.save()
    if not val.seen:
        return
    t.averaged(True)
    r = validate(t, val)["mean"]
    sheet(t, val, t.out / "sheet.png")
    t.averaged(False)
    new = not (t.out / "curve.csv").exists()
    with (t.out / "curve.csv").open("a", newline="") as f:
        w = csv.writer(f)
        if new:
            w.writerow(["step", "minutes", *r])
        w.writerow([t.step, round(t.spent / 60, 1), *(round(v, 4) for v in r.values())])
    log.info("step %d: %s", t.step, {k: round(v, 3) for k, v in r.items()})


if __name__ == "__main__":
    main()
