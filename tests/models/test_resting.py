"""A neutral that was taken with the mouth open or a smile on."""

from __future__ import annotations

import numpy as np
import pytest
from faces import NEUTRAL, SOME, any_params, units
from hypothesis import given

from models.face import N_UNITS, UNIT, FaceParams
from models.puppet import Puppet
from models.resting import most_at_rest, settle


def wanted(source: FaceParams, driver: FaceParams, neutral: FaceParams) -> np.ndarray:
    """The sentence of `settle`, unit by unit, in plain Python."""
    n, s, d = (p.expression[:N_UNITS].astype(float) for p in (neutral, source, driver))
    out = []
    for i, most in enumerate(most_at_rest()):
        w = 1.0 if n[i] <= most else float(most) / n[i]
        out.append(d[i] + w * (s[i] - n[i]))
    return np.array(out)


@SOME
@given(any_params(), any_params(), any_params())
def test_only_rest_is_taken_off_the_driver(source: FaceParams, driver: FaceParams, neutral: FaceParams) -> None:
    settled = settle(neutral, source)
    got = (source.expression - settled.expression + driver.expression)[:N_UNITS]
    assert np.allclose(got, wanted(source, driver, neutral), atol=1e-5)
    assert np.array_equal(settled.expression[N_UNITS:], neutral.expression[N_UNITS:])


@SOME
@given(any_params())
def test_a_clip_that_drives_its_own_first_frame_is_driven_as_before(same: FaceParams) -> None:
    assert np.allclose(settle(same, same).expression, same.expression, atol=1e-6)


def test_a_resting_neutral_is_taken_as_it_is() -> None:
    neutral = NEUTRAL.with_(expression=units(mouthSmileLeft=0.2, browDownLeft=0.5))
    assert settle(neutral, NEUTRAL.with_(expression=units(jawOpen=0.8))) is neutral


def test_a_driver_who_spoke_at_the_first_frame_still_opens_the_mouth(puppet: Puppet) -> None:
    first = NEUTRAL.with_(expression=units(jawOpen=0.5))
    shown = puppet.retarget(first, first).expression[UNIT["jawOpen"]]
    own = puppet.source.params.expression[UNIT["jawOpen"]]
    assert shown > own + 0.4
    closed = puppet.retarget(NEUTRAL, first).expression[UNIT["jawOpen"]]
    assert closed == pytest.approx(max(0.0, 0.1 * own - 0.05), abs=0.01)
