"""Trajectories: packed without loss that matters, smoothed without delay, and in the repository for everyone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faces import SOME, any_params, degrees_between, posed
from hypothesis import given
from hypothesis import strategies as st

from models import lids
from models.dynamics_space import LID_COLUMNS, N_ROW, REGION_OF, REGIONS, Development
from models.face import FaceParams
from models.trajectories import (
    DATA,
    HELD_OUT,
    load_takes,
    sample,
    save_takes,
    smooth,
    split,
    take_of,
    tracks_of,
)


def test_a_take_survives_packing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    seen = [posed((0, 3 * np.sin(i / 5), 0), gaze=rng.normal(0, 0.1, (2, 2)).astype(np.float32)) for i in range(40)]
    take = take_of("one", 25.0, [*range(20), *range(30, 50)], seen)
    save_takes(tmp_path / "t.npz", [take, take])
    back = load_takes(tmp_path / "t.npz")[1]
    assert (back.name, back.fps) == ("one", 25.0)
    assert np.array_equal(back.frame, take.frame)
    for i, p in enumerate(seen):
        q = back.params(i)
        assert degrees_between(p, q) < 0.02
        assert np.abs(p.translation - q.translation).max() < 0.011
        assert np.abs(p.gaze - q.gaze).max() < 6e-4
    assert [len(k.t) for k in tracks_of(back, shortest_s=0.5)] == [20, 20]


@pytest.mark.parametrize("depth_mm", [90.0, 700.0, 1470.0, 4000.0])
def test_a_far_head_keeps_its_depth(tmp_path: Path, depth_mm: float) -> None:
    seen = [posed((0, i, 0), translation=np.array([-500.0, 300.0, depth_mm + i])) for i in range(12)]
    save_takes(tmp_path / "t.npz", [take_of("far", 25.0, range(12), seen)])
    back = load_takes(tmp_path / "t.npz")[0]
    assert np.abs(back.rows[:, 3:6] - [p.translation for p in seen]).max() < 0.011


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    seen = [posed((0, 0, 0), translation=np.array([0.0, 0.0, z])) for z in (300.0, 1000.0)]
    with pytest.raises(ValueError, match="jumps too far"):
        save_takes(tmp_path / "t.npz", [take_of("torn", 25.0, range(2), seen)])


def test_regions_cover_every_coordinate_once() -> None:
    assert sorted(i for c in REGIONS.values() for i in c) == list(range(N_ROW))
    assert [list(REGIONS)[r] for r in REGION_OF[list(LID_COLUMNS)]] == ["lids", "lids"]


@SOME
@given(st.lists(any_params(turn=2.5, learned=5.0), min_size=1, max_size=6))
def test_a_row_goes_back_to_its_face(faces: list[FaceParams]) -> None:
    space = Development()
    for face in faces:
        row = space.row(face)
        back = space.params(row)
        assert degrees_between(back, face) < 1e-4
        assert np.allclose(back.expression, face.expression, atol=1e-6)
        assert np.allclose(back.gaze, face.gaze, atol=1e-6)
        assert np.allclose(lids.read_units(back.expression), row[list(LID_COLUMNS)], atol=1e-6)


def test_the_turn_goes_on_where_a_rotation_vector_would_jump() -> None:
    space = Development()
    turns = np.array([space.row(posed((0, 25.0 * i, 0)))[1] for i in range(20)])
    assert np.allclose(np.diff(turns), np.radians(25.0))


def test_smoothing_has_no_delay_and_keeps_slow_motion() -> None:
    t = np.arange(150) / 30
    rows = np.tile(np.sin(2 * np.pi * 0.8 * t)[:, None], (1, N_ROW))
    noisy = rows + np.random.default_rng(1).normal(0, 0.1, rows.shape)
    calm = smooth(noisy, 30.0)
    turn = calm[:, 0]
    assert np.abs(turn - rows[:, 0]).std() < 0.06
    lag = np.argmax([np.corrcoef(np.roll(rows[:, 0], k)[20:-20], turn[20:-20])[0, 1] for k in range(-3, 4)]) - 3
    assert lag == 0
    assert np.array_equal(calm[:, LID_COLUMNS[0]], noisy[:, LID_COLUMNS[0]])


def test_sampling_between_frames_meets_a_smooth_curve() -> None:
    t = np.cumsum(np.random.default_rng(2).uniform(0.02, 0.05, 60))
    at = np.linspace(t[2], t[-3], 300)
    got = sample(t, np.sin(3 * t)[:, None], at)[:, 0]
    assert np.abs(got - np.sin(3 * at)).max() < 0.006
    assert sample(t, t[:, None], np.array([t[-1] + 9.0]))[0, 0] == pytest.approx(t[-1])


def test_the_shipped_takes_have_people_on_both_sides_and_no_clip_that_forbids_it() -> None:
    takes = load_takes()
    names = {t.name for t in takes}
    assert set(HELD_OUT) <= names
    assert not any(n.startswith("lia_") for n in names)
    depth = {t.name: t.rows[:, 5] for t in takes}
    assert min(d.min() for d in depth.values()) > 60.0
    assert depth["latentsync_1"].mean() == pytest.approx(1470, abs=10)  # eyes 90 mm apart seen 78 px apart
    data = split(takes)
    assert {k.name for k in data.test} == set(HELD_OUT)
    assert not {k.name for k in data.train} & set(HELD_OUT)
    assert sum(len(k.t) for k in data.train) > 5000
    assert len(data.still_test) >= 6
    assert {k.name for k in data.still_train}.isdisjoint(k.name for k in data.still_test)
    assert DATA.stat().st_size < 1_500_000
