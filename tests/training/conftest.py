"""Samples small enough to train on in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Four samples of eyes to train on and four to judge on, where the truth is a bright opening."""
    rng = np.random.default_rng(0)
    for name in ("train_0_a", "val_b"):
        warp = rng.integers(0, 256, (4, 2, 2, 64, 64, 3), dtype=np.uint8)
        mask = np.zeros((4, 2, 2, 64, 64, 1), np.uint8)
        mask[..., 24:40, 16:48, :] = 255
        true = np.where(mask > 0, 200, warp).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", eye_src=warp[:, 0], eye_warp=warp, eye_true=true, eye_mask=mask,
                 eye_turn=np.zeros((4, 2, 2, 2), np.float32))  # fmt: skip
    return tmp_path
