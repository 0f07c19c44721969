"""The turn that others are told: exact at rest, a little larger than what was read, the same way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faces import NEUTRAL, degrees_between, posed, units

from models import rotation, turning
from models.motion import N_EXPRESSION

NOTHING = np.zeros((turning.N_FEATURES, 3))


def test_rest_is_told_as_it_is() -> None:
    rest = posed((3, -8, 2), expression=units(jawOpen=0.4))
    assert np.allclose(turning.told(rest, rest).rotation, rest.rotation)


def test_without_weights_nothing_changes() -> None:
    seen = posed((5, 20, -7), expression=units(mouthSmileLeft=0.5))
    assert np.allclose(turning.true_turn(seen, NEUTRAL, NOTHING), seen.rotation)


def test_weights_add_to_the_turn_from_neutral() -> None:
    weights = NOTHING.copy()
    weights[1, 1] = 0.35 * 0.1  # a tenth of the turn about the y axis
    neutral = posed((0, 10, 0))
    seen = posed((0, 30, 0))
    added = rotation.log(rotation.multiply(turning.true_turn(seen, neutral, weights), rotation.inverse(seen.rotation)))
    assert np.degrees(np.abs(added)) == pytest.approx([0, 2, 0], abs=1e-6)


def test_an_expression_counts_too() -> None:
    weights = NOTHING.copy()
    weights[10, 0] = np.radians(4.0)  # the first unit
    change = np.zeros(N_EXPRESSION, np.float32)
    change[0] = 0.5
    seen = NEUTRAL.with_(expression=NEUTRAL.expression + change)
    told = rotation.log(turning.true_turn(seen, NEUTRAL, weights))
    assert np.degrees(told) == pytest.approx([2, 0, 0], abs=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_shipped_weights_keep_order_and_sign(axis: int) -> None:
    told = []
    for degrees in range(-27, 28, 3):
        v = np.zeros(3)
        v[axis] = np.radians(degrees)
        told.append(
            float(np.degrees(rotation.log(turning.true_turn(NEUTRAL.with_(rotation=rotation.exp(v)), NEUTRAL)))[axis])
        )
    assert (np.diff(told) > 2.0).all()
    assert np.abs(np.array(told) - np.arange(-27, 28, 3)).max() < 6.0


def test_half_of_an_expression_turns_a_head_by_less_than_a_degree_or_two() -> None:
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft"):
        seen = NEUTRAL.with_(expression=units(**{name: 0.5}))
        assert degrees_between(turning.told(seen, NEUTRAL), NEUTRAL) < 2.0


def test_other_weights_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", weights=np.zeros((7, 3)))
    with pytest.raises(ValueError, match="has weights of shape"):
        turning.load_weights(tmp_path / "old.npz")
