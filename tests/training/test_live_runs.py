"""A run of `live` as a person runs it: killed, started again, and the same from the same seed. Needs `train`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")

from models.training.live_batches import Shards, augment  # noqa: E402
from models.training.train_live import Trainer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SPREAD = 1e-3  # of the error, between two runs of one seed on one thread


def test_a_killed_run_goes_on_from_its_checkpoint(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "models.training.train_live", "eye", "--shards", str(shards), "--out", str(out),
               "--singles", "1", "--pairs", "1", "--threads", "1", "--save-every", "0.1"]  # fmt: skip
    first = subprocess.Popen([*command, "--minutes", "30"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (out / "curve.csv").exists() and time.monotonic() < end:
            assert first.poll() is None
            time.sleep(0.2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    step = torch.load(out / "state.pt", weights_only=False)["step"]
    assert step > 0
    second = subprocess.run([*command, "--steps", str(step + 2)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert second.returncode == 0, second.stderr
    assert f"going on at step {step}" in second.stderr
    assert torch.load(out / "state.pt", weights_only=False)["step"] == step + 2


def test_two_runs_of_one_seed_agree_and_of_two_seeds_do_not(shards: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    errors = []
    for i, seed in enumerate((5, 5, 6)):
        (tmp_path / str(i)).mkdir()
        t, s = Trainer("eye", tmp_path / str(i), seed, 1e-3), Shards(shards, "eye")
        errors.append([t.learn(augment(s.draw(t.rng, 1, 1), t.rng, False), warm=400)["l1"] for _ in range(6)])
    assert errors[0] == pytest.approx(errors[1], rel=SPREAD)
    assert errors[0] != pytest.approx(errors[2], rel=SPREAD)
