"""Learn what a tracked turn misses, on portraits that our own puppet turns by known angles.

`python -m models.training.train_turning --stills DIR --out models/data/turning.npz [--most N]`

Every portrait is turned at random (up to 27 degrees of yaw, 21 of pitch, 20 of roll); two thirds of the time it also
speaks, with expressions out of the trajectories of people that nothing is held out of, and a sixth of the time it only
does that. Prints the error of people left out (a fifth of them at a time), then learns from all. The default portrait
and the modelled head of `benchmarks.tracking` are never learned from: they judge.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import lids, rotation
from models.assets import asset_path
from models.errors import UserError
from models.face import F64, N_UNITS, FaceParams
from models.landmarks import FaceNetworks
from models.motion import blend
from models.puppet import Puppet
from models.shell import PIVOT_MM
from models.source import prepare_source
from models.tracking import FaceTracker
from models.trajectories import HELD_OUT, Take, load_takes
from models.turning import features

log = logging.getLogger("train_turning")
_MOST_DEG = np.array([21.0, 27.0, 20.0])  # pitch, yaw, roll
_POSES = ("turned",) * 8 + ("both",) * 12 + ("speaking",) * 4
_FRONTAL_DEG = 15.0  # portraits that look farther aside are left out
_RIDGE = 10.0


@dataclass(frozen=True, eq=False)
class Person:
    """What one portrait showed: true turns and found ones (T, 3) rad from rest, change of expression found."""

    true: F64
    found: F64
    change: F64


def measure(photo: Path, nets: FaceNetworks, takes: list[Take], rng: np.random.Generator) -> Person | None:
    """Turn one portrait and track it; None when it looks aside or shows no face."""
    try:
        source = prepare_source(photo, 512, nets)
    except UserError:
        return None
    rest = source.params
    if np.degrees(np.abs(rotation.log(rest.rotation)[:2])).max() > _FRONTAL_DEG:
        return None
    puppet, tracker = Puppet(source), FaceTracker(networks=nets, every=1)

    def see(params: FaceParams, times: int = 3) -> FaceParams | None:
        picture = puppet.render(params)
        return [tracker.track(picture, 0)[0] for _ in range(times)][-1]

    zero = see(rest)
    true, found, change = [], [], []
    for kind in _POSES:
        angles = np.radians(rng.uniform(-1, 1, 3) * _MOST_DEG * (rng.random(3) < 0.75)) * (kind != "speaking")
        wanted = turned(rest, angles)
        if kind != "turned":
            wanted = wanted.with_(expression=speaking(rest, takes[rng.integers(len(takes))], rng))
        for share in (1 / 3, 2 / 3):
            see(blend(rest, wanted, share), 1)
        seen = see(wanted)
        if seen is not None and zero is not None:
            true.append(rotation.log(rotation.multiply(wanted.rotation, rotation.inverse(rest.rotation))))
            found.append(rotation.log(rotation.multiply(seen.rotation, rotation.inverse(zero.rotation))))
            change.append(seen.expression - zero.expression)
        see(rest, 1)
    return Person(np.array(true), np.array(found), np.array(change)) if true else None


def turned(rest: FaceParams, turn: F64) -> FaceParams:
    """Params turned by a rotation vector (3,) rad about the neck."""
    q = rotation.multiply(rotation.exp(turn), rest.rotation)
    shift = (rotation.matrix(rest.rotation) - rotation.matrix(q)) @ PIVOT_MM
    return rest.with_(rotation=q, translation=rest.translation + np.array([shift[0], shift[1], 0.0]))


def speaking(rest: FaceParams, take: Take, rng: np.random.Generator) -> F64:
    """The expression of a portrait that does what somebody did in a random instant, (52 + L,)."""
    done = take.params(int(rng.integers(len(take.rows)))).expression - take.rows[:, 6:-4].mean(0)
    e = rest.expression + done * rng.uniform(0.5, 1.2)
    e[:N_UNITS] = np.clip(e[:N_UNITS], 0.0, 1.0)
    for blink, wide in zip(lids.BLINK, lids.WIDE, strict=True):
        e[[blink, wide]] -= min(e[blink], e[wide])
    e[N_UNITS:] = np.clip(e[N_UNITS:], -4.5, 4.5)
    return np.asarray(e, np.float32)


def learn(people: list[Person]) -> F64:
    """Ridge regression of what the found turns miss, (N_FEATURES, 3)."""
    x = np.concatenate([features(p.found, p.change) for p in people])
    y = np.concatenate([p.true - p.found for p in people])
    return np.asarray(np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y))


def errors_deg(person: Person, weights: F64 | None) -> F64:
    """Angle between true and found turns, (T,) degrees."""
    found = person.found if weights is None else person.found + features(person.found, person.change) @ weights
    pairs = zip(person.true, found, strict=True)
    wrong = [rotation.log(rotation.multiply(rotation.exp(f), rotation.inverse(rotation.exp(t)))) for t, f in pairs]
    return np.degrees(np.linalg.norm(wrong, axis=1))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=30, help="portraits, spread over the folder")
    a = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    files = sorted(p for p in a.stills.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    nets, rng = FaceNetworks(asset_path("face_landmarker.task")), np.random.default_rng(1)
    takes = [t for t in load_takes() if t.name not in HELD_OUT and not t.name.startswith("still_")]
    people = []
    for i in np.unique(np.linspace(0, len(files) - 1, a.most).astype(int)):
        person = measure(files[i], nets, takes, rng)
        log.info("%s %s", files[i].name, "left out" if person is None else f"{errors_deg(person, None).mean():.2f}")
        people += [] if person is None else [person]
    before, after = [], []
    for k in range(5):
        weights = learn([p for i, p in enumerate(people) if i % 5 != k])
        for p in people[k::5]:
            before.append(errors_deg(p, None))
            after.append(errors_deg(p, weights))
    better = sum(b.mean() > c.mean() for b, c in zip(before, after, strict=True))
    log.info("left out: mean %.2f -> %.2f degrees, worst of a person %.2f -> %.2f, better on %d of %d",
             *(np.mean([e.mean() for e in s]) for s in (before, after)),
             *(np.mean([e.max() for e in s]) for s in (before, after)), better, len(people))  # fmt: skip
    np.savez_compressed(a.out, weights=learn(people).astype(np.float32))


if __name__ == "__main__":
    main()
