"""Rotations: group laws, exponential and logarithm, matrices, slerp."""

from __future__ import annotations

import numpy as np
import pytest
from faces import SOME, floats, vectors
from hypothesis import given
from hypothesis import strategies as st

from models import rotation

turns = vectors(3, -3.0, 3.0)
quaternions = turns.map(rotation.exp)


def same(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Quaternions of one rotation: q and -q are the same."""
    return bool(min(np.abs(a - b).max(), np.abs(a + b).max()) < tolerance)


@SOME
@given(quaternions, quaternions, quaternions)
def test_composition_is_a_group_and_agrees_with_matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    left = rotation.multiply(rotation.multiply(a, b), c)
    assert np.allclose(left, rotation.multiply(a, rotation.multiply(b, c)))
    assert np.allclose(rotation.multiply(a, rotation.inverse(a)), rotation.identity())
    assert np.allclose(rotation.multiply(a, rotation.identity()), a)
    assert np.allclose(rotation.matrix(rotation.multiply(a, b)), rotation.matrix(a) @ rotation.matrix(b))


@SOME
@given(quaternions)
def test_matrices_are_proper_rotations_and_lead_back(q: np.ndarray) -> None:
    m = rotation.matrix(q)
    assert np.allclose(m @ m.T, np.eye(3))
    assert np.linalg.det(m) == pytest.approx(1.0)
    assert same(rotation.from_matrix(m), q)


@SOME
@given(turns, st.sampled_from([1.0, 1e-3, 1e-7, 1e-8, 1e-10, 0.0]))
def test_log_undoes_exp_down_to_nothing(v: np.ndarray, scale: float) -> None:
    v = v * scale
    v = v * min(1.0, 3.1 / max(float(np.linalg.norm(v)), 1e-300))
    q = rotation.exp(v)
    assert np.linalg.norm(q) == pytest.approx(1.0, abs=1e-12)
    assert np.allclose(rotation.log(q), v, rtol=1e-6, atol=1e-12)
    assert np.allclose(rotation.log(-q), v, rtol=1e-6, atol=1e-12)  # the other sign is the same rotation


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_turns_survive_every_road(axis: int) -> None:
    v = np.pi * np.eye(3)[axis]
    q = rotation.exp(v)
    assert np.linalg.norm(rotation.log(q)) == pytest.approx(np.pi)
    assert same(rotation.from_matrix(rotation.matrix(q)), q)


def test_a_positive_turn_about_x_lowers_the_nose() -> None:
    nose = rotation.matrix(rotation.exp(np.array([0.3, 0.0, 0.0]))) @ np.array([0.0, 0.0, -1.0])
    assert nose[1] > 0.1  # y points down


@SOME
@given(quaternions, quaternions, floats(0.0, 1.0))
def test_slerp_has_its_ends_constant_speed_and_the_short_way(a: np.ndarray, b: np.ndarray, w: float) -> None:
    assert same(rotation.slerp(a, b, 0.0), a)
    assert same(rotation.slerp(a, b, 1.0), b, 1e-7)
    whole = np.linalg.norm(rotation.log(rotation.multiply(rotation.inverse(a), b)))
    part = np.linalg.norm(rotation.log(rotation.multiply(rotation.inverse(a), rotation.slerp(a, b, w))))
    assert part == pytest.approx(w * whole, abs=1e-6)
    assert whole <= np.pi + 1e-9
    if whole < 3.1:
        assert same(rotation.slerp(a, b, w), rotation.slerp(b, a, 1.0 - w), 1e-6)
