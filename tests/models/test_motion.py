"""Arithmetic on params: blending and averaging keep rotations rotations."""

from __future__ import annotations

import numpy as np
import pytest
from faces import SOME, any_params, degrees_between, floats, posed
from hypothesis import given

from models import motion
from models.face import FaceParams


def close(a: FaceParams, b: FaceParams, tolerance: float = 1e-5) -> bool:
    rest = all(np.allclose(getattr(a, f), getattr(b, f), atol=tolerance) for f in ("translation", "expression", "gaze"))
    return rest and degrees_between(a, b) < 1e-3


@SOME
@given(any_params(), any_params(), floats(0.0, 1.0))
def test_blend_runs_from_one_to_the_other(a: FaceParams, b: FaceParams, w: float) -> None:
    assert close(motion.blend(a, b, 0.0), a)
    assert close(motion.blend(a, b, 1.0), b)
    m = motion.blend(a, b, w)
    assert np.linalg.norm(m.rotation) == pytest.approx(1.0)
    assert close(m, motion.blend(b, a, 1.0 - w), 1e-3)
    assert m.expression.dtype == a.expression.dtype == np.float32
    assert m.gaze.dtype == np.float32
    lo, hi = np.minimum(a.expression, b.expression), np.maximum(a.expression, b.expression)
    assert (m.expression >= lo - 1e-6).all()
    assert (m.expression <= hi + 1e-6).all()


@SOME
@given(any_params(), floats(-3.0, 4.0))
def test_blending_a_face_with_itself_changes_nothing(a: FaceParams, w: float) -> None:
    assert close(motion.blend(a, a, w), a)


@SOME
@given(any_params(), any_params())
def test_mean_of_two_is_the_middle_and_order_does_not_matter(a: FaceParams, b: FaceParams) -> None:
    middle = motion.mean([a, b])
    assert degrees_between(middle, motion.blend(a, b, 0.5)) < 0.05
    assert degrees_between(middle, motion.mean([b, a])) < 0.05
    assert np.allclose(middle.translation, (a.translation + b.translation) / 2)
    assert np.allclose(middle.expression, (a.expression + b.expression) / 2, atol=1e-6)
    assert close(motion.mean([a]), a)


def test_mean_does_not_depend_on_the_sign_of_quaternions() -> None:
    a, b = posed((0, 10, 0)), posed((0, 20, 0))
    flipped = b.with_(rotation=-b.rotation)
    assert degrees_between(motion.mean([a, flipped]), posed((0, 15, 0))) < 1e-6


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no params"):
        motion.mean([])


def test_the_resting_face_rests() -> None:
    rest = motion.neutral_params()
    assert not rest.expression.any()
    assert not rest.gaze.any()
    assert rest.expression.shape == (motion.N_EXPRESSION,)
