"""Choose the expressions that a photo's lids are read back with, from the trajectories in the repository.

`python -m models.training.build_readback`
Writes models/data/readback.npz: expression (N, 92), changes from a person's median; turn (N, 3) radians, from the
person's mean. Lids that move much are favoured; one half looks straight ahead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.morphable import load_morphable
from models.motion import N_EXPRESSION
from models.readback import DATA, LIDS
from models.trajectories import HELD_OUT, load_takes

FROM_EACH = 60  # rows of a take


def choose(count: int, seed: int) -> dict[str, np.ndarray]:
    """Draw expressions and turns of people that nothing is tested on."""
    rng = np.random.default_rng(seed)
    changes, turns = [], []
    for take in load_takes():
        if take.name in HELD_OUT:
            continue
        e = take.rows[:, 6 : 6 + N_EXPRESSION]
        k = rng.choice(len(e), min(FROM_EACH, len(e)), replace=False)
        changes.append(e[k] - np.median(e, 0))
        turns.append(take.rows[k, :3])
    change, turn = np.concatenate(changes), np.concatenate(turns)
    moved = np.linalg.norm(change @ load_morphable().basis[:, LIDS].reshape(N_EXPRESSION, -1), axis=1)
    w = 0.2 + moved / moved.mean()
    i = rng.choice(len(change), count, replace=False, p=w / w.sum())
    turn[i[: count // 2]] = 0.0
    return {"expression": change[i].astype(np.float16), "turn": turn[i].astype(np.float16)}


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, default=DATA)
    ap.add_argument("--count", type=int, default=32)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    np.savez_compressed(a.out, **choose(a.count, a.seed))


if __name__ == "__main__":
    main()
