"""Retargeting: what the driver does not do the source does not do, and what it does stays within one photo."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from faces import MODEL, NEUTRAL, SOME, any_params, degrees_between, floats, posed, units
from hypothesis import assume, given
from hypothesis import strategies as st

from models import lids, rotation
from models.face import N_UNITS, UNIT, UNITS, FaceParams, InnerLight
from models.motion import N_EXPRESSION
from models.transfer import Gains, gain_vector, retarget, unit_region

FULL = Gains()
VECTOR = gain_vector(MODEL, FULL)
NOTHING = Gains(**{f.name: 0.0 for f in fields(Gains)})
STILL = gain_vector(MODEL, NOTHING)


def moved(source: FaceParams, driver: FaceParams, neutral: FaceParams, gains: Gains = FULL) -> FaceParams:
    return retarget(source, driver, neutral, gains, gain_vector(MODEL, gains) if gains != FULL else VECTOR)


def same(a: FaceParams, b: FaceParams) -> None:
    assert degrees_between(a, b) < 1e-5
    assert np.allclose(a.translation, b.translation, atol=1e-6)
    assert np.allclose(a.expression, b.expression, atol=1e-6)
    assert np.allclose(a.gaze, b.gaze, atol=1e-6)


@SOME
@given(any_params(learned=6.0), any_params(learned=6.0))
def test_a_driver_at_rest_leaves_the_source_as_the_photo_shows_it(source: FaceParams, neutral: FaceParams) -> None:
    same(moved(source, neutral, neutral), source)


def test_the_drivers_light_goes_along_with_the_gains_of_its_regions() -> None:
    own = InnerLight(np.full((3, 8, 8), 0.7, np.float32), np.array([0, 1, 1], np.float32))
    driver = InnerLight(np.full((3, 8, 8), 0.4, np.float32), np.ones(3, np.float32))
    source = NEUTRAL.with_(light=own)
    got = moved(source, NEUTRAL.with_(light=driver), NEUTRAL.with_(light=driver)).light
    assert got is not None
    np.testing.assert_allclose(got.share[0], 0.4)
    np.testing.assert_allclose(got.share[1:], 0.7)
    still = moved(source, NEUTRAL.with_(light=driver), NEUTRAL.with_(light=driver), NOTHING).light
    assert still is not None
    assert not still.known.any()
    assert moved(source, NEUTRAL, NEUTRAL).light is None


def test_an_eye_that_looks_another_way_than_the_drivers_is_not_lit_as_it_is() -> None:
    light = InnerLight(np.full((3, 8, 8), 0.7, np.float32), np.ones(3, np.float32))
    lit = NEUTRAL.with_(light=light)
    squint = lit.with_(gaze=np.array([[0.4, 0.0], [-0.4, 0.0]], np.float32))  # eyes turn as a pair: ours do not
    crossed, aside = moved(lit, squint, lit).light, moved(lit, lit.with_(gaze=squint.gaze[[0, 0]]), lit).light
    assert crossed is not None
    assert aside is not None
    assert crossed.known[1:].max() < 0.15
    assert aside.known[1:].min() > 0.99
    assert crossed.known[0] == aside.known[0]


@SOME
@given(any_params(), any_params(), any_params())
def test_gains_of_zero_hold_the_source(source: FaceParams, driver: FaceParams, neutral: FaceParams) -> None:
    same(retarget(source, driver, neutral, NOTHING, STILL), source)


@SOME
@given(any_params(), any_params(), any_params(turn=2.0, shift=900.0, learned=6.0))
def test_whatever_the_driver_does_stays_within_one_photo(
    source: FaceParams, neutral: FaceParams, driver: FaceParams
) -> None:
    out = moved(source, driver, neutral)
    assert out.expression.dtype == np.float32
    assert out.expression.shape == (N_EXPRESSION,)
    assert 0.0 <= out.expression[:N_UNITS].min() <= out.expression[:N_UNITS].max() <= 1.0
    assert np.abs(out.expression[N_UNITS:]).max() <= 4.5
    assert np.abs(out.gaze).max() <= 0.7
    assert degrees_between(out, source) <= 45.0 + 1e-6
    assert np.linalg.norm(out.rotation) == pytest.approx(1.0)
    assert 0.64 < out.translation[2] / source.translation[2] < 1.61
    for value in (out.rotation, out.translation, out.expression, out.gaze):
        assert np.isfinite(value).all()


@SOME
@given(any_params(), any_params(), any_params(), floats(-0.95, 0.8))
def test_a_shut_driver_eye_shuts_the_sources_whatever_its_neutral(
    source: FaceParams, driver: FaceParams, neutral: FaceParams, resting: float
) -> None:
    closed = driver.expression.copy()
    lids.write_units(closed, lids.gap_of(np.array([1.0, 0.0])))
    rest = neutral.expression.copy()
    lids.write_units(rest, lids.gap_of(np.full(2, resting)))
    out = moved(source, driver.with_(expression=closed), neutral.with_(expression=rest))
    assert lids.read_units(out.expression)[0] == pytest.approx(1.0, abs=1e-5)


@SOME
@given(any_params(), floats(-0.9, 0.8))
def test_closing_is_monotone_and_an_open_eye_opens_the_sources(source: FaceParams, resting: float) -> None:
    drawn = []
    for closed in np.linspace(-1, 1, 21):
        e, n = np.zeros((2, N_EXPRESSION), np.float32)
        lids.write_units(e, lids.gap_of(np.full(2, closed)))
        lids.write_units(n, lids.gap_of(np.full(2, resting)))
        out = moved(source, NEUTRAL.with_(expression=e), NEUTRAL.with_(expression=n))
        drawn.append(lids.read_units(out.expression))
    assert (np.diff(np.array(drawn), axis=0) >= -1e-6).all()


def test_a_smiling_source_does_not_smile_twice() -> None:
    source = NEUTRAL.with_(expression=units(mouthSmile=0.8))
    out = moved(source, NEUTRAL.with_(expression=units(mouthSmile=0.9)), NEUTRAL)
    assert out.expression[UNIT["mouthSmileLeft"]] == 1.0
    neutral_smiles = NEUTRAL.with_(expression=units(mouthSmile=0.6))
    out = moved(source, neutral_smiles, neutral_smiles)  # a driver who always smiles adds nothing
    assert out.expression[UNIT["mouthSmileLeft"]] == pytest.approx(0.8)
    out = moved(source, NEUTRAL, neutral_smiles)  # and stops smiling when the driver does
    assert out.expression[UNIT["mouthSmileLeft"]] == pytest.approx(0.2, abs=1e-6)


@SOME
@given(any_params(turn=0.2), st.tuples(floats(-15, 15), floats(-15, 15), floats(-15, 15)), floats(0.0, 1.5))
def test_turns_of_a_portrait_are_the_drivers_in_the_camera_frame_up_to_the_free_limit(
    source: FaceParams, degrees: tuple[float, float, float], gain: float
) -> None:
    angle = gain * float(np.linalg.norm(degrees))
    assume(angle < 28.0)
    neutral = posed((0, 8, 0))
    step = rotation.exp(np.radians(degrees))
    driver = neutral.with_(rotation=rotation.multiply(step, neutral.rotation))
    out = moved(source, driver, neutral, Gains(head=gain))
    turned = rotation.log(rotation.multiply(out.rotation, rotation.inverse(source.rotation)))
    assert np.allclose(turned, gain * np.radians(degrees), atol=1e-6)


def test_large_turns_ease_off_and_never_step_back() -> None:
    angles = [degrees_between(moved(NEUTRAL, posed((0, d, 0)), NEUTRAL), NEUTRAL) for d in range(0, 90, 2)]
    steps = np.diff(angles)
    assert (steps >= -1e-9).all()
    assert steps.max() <= 2.0 + 1e-6
    assert angles[-1] < 45.0


def test_a_half_profile_turns_little_towards_the_camera_and_freely_within_what_it_shows() -> None:
    source = NEUTRAL.with_(rotation=rotation.exp(np.radians([0.0, 40.0, 0.0])))
    for driver, least, most in ((-40.0, 9.0, 12.0), (-5.0, 5.0, 5.0), (5.0, 5.0, 5.0), (40.0, 20.0, 29.0)):
        for mirrored in (1.0, -1.0):
            own = source.with_(rotation=rotation.exp(np.radians([0.0, 40.0 * mirrored, 0.0])))
            turned = NEUTRAL.with_(rotation=rotation.exp(np.radians([0.0, driver * mirrored, 0.0])))
            angle = degrees_between(moved(own, turned, NEUTRAL), own)
            assert least - 1e-6 <= angle <= most + 1e-6
    ahead = NEUTRAL.with_(rotation=rotation.exp(np.radians([0.0, 12.0, 0.0])))
    turned = NEUTRAL.with_(rotation=rotation.exp(np.radians([0.0, -27.0, 0.0])))
    assert degrees_between(moved(ahead, turned, NEUTRAL), ahead) == pytest.approx(27.0)


def test_the_head_turns_about_the_neck_not_about_the_nose() -> None:
    out = moved(NEUTRAL, posed((0, 0, 20)), NEUTRAL)  # a tilt moves the eyes sideways
    driver_shift = posed((0, 0, 20)).translation - NEUTRAL.translation
    assert not driver_shift.any()
    assert np.allclose(out.translation, NEUTRAL.translation, atol=1e-6)  # the driver's own eyes stayed, so do these


def test_nearness_is_a_ratio_and_a_shift_is_in_head_sizes() -> None:
    far = posed(translation=np.array([0.0, 0.0, 800.0]))
    source = posed(translation=np.array([10.0, -20.0, 400.0]))
    near = far.with_(translation=np.array([30.0, 0.0, 640.0]))
    out = moved(source, near, far)
    assert out.translation[2] == pytest.approx(320.0)
    assert out.translation[0] == pytest.approx(40.0)


@pytest.mark.parametrize("region", [f.name for f in fields(Gains)])
def test_each_gain_governs_its_region_alone(region: str) -> None:
    gains = Gains(**{**{f.name: 0.0 for f in fields(Gains)}, region: 1.0})
    driver = posed((0, 10, 0), expression=np.full(N_EXPRESSION, 0.3, np.float32), gaze=np.full((2, 2), 0.2, np.float32))
    lids.write_units(driver.expression, lids.gap_of(np.full(2, 0.4)))
    out = moved(NEUTRAL, driver, NEUTRAL, gains)
    for i, unit in enumerate(UNITS):
        follows = unit_region(unit) == region and driver.expression[i] > 0
        assert (out.expression[i] > 0.01) == follows, unit
    assert (degrees_between(out, NEUTRAL) > 1) == (region == "head")
    assert bool(out.gaze.any()) == (region == "gaze")


def test_gain_vectors_cover_every_unit_and_share_the_learned_components() -> None:
    assert VECTOR.shape == (N_EXPRESSION,)
    assert np.allclose(VECTOR, 1.0, atol=1e-5)
    half = gain_vector(MODEL, Gains(mouth=0.5))
    assert (half <= 1.0 + 1e-5).all()
    assert (half[N_UNITS:] < 0.99).any()
    with pytest.raises(ValueError, match="belongs to no region"):
        unit_region("earWiggle")


def test_absolute_takes_the_drivers_expression_and_pose() -> None:
    source = posed((0, 10, 0), expression=units(mouthSmile=0.7))
    driver = posed((5, -5, 0), expression=units(jawOpen=0.5))
    out = retarget(source, driver, posed((0, 20, 0)), FULL, VECTOR, absolute=True)
    assert degrees_between(out, driver) < 1e-4
    assert out.expression[UNIT["jawOpen"]] == pytest.approx(0.5)
    assert out.expression[UNIT["mouthSmileLeft"]] == 0.0


def test_retargeting_does_not_write_to_what_it_is_given() -> None:
    source, driver, neutral = posed((0, 1, 0)), posed((0, 5, 0), expression=units(jawOpen=0.4)), posed()
    before = [(p.expression.copy(), p.translation.copy(), p.gaze.copy()) for p in (source, driver, neutral)]
    moved(source, driver, neutral)
    for p, (e, t, g) in zip((source, driver, neutral), before, strict=True):
        assert (p.expression == e).all()
        assert (p.translation == t).all()
        assert (p.gaze == g).all()


def test_eyes_that_are_read_apart_turn_together_but_for_a_little_convergence() -> None:
    driver = posed((0, 0, 0)).with_(gaze=np.float32([[0.30, 0.10], [-0.10, -0.10]]))
    gaze = moved(NEUTRAL, driver, NEUTRAL).gaze
    assert np.allclose(gaze.mean(0), [0.1, 0.0], atol=1e-6)
    assert np.allclose(gaze[0] - gaze[1], [0.04, 0.02], atol=1e-6)


def test_an_eye_that_is_shut_has_no_say_in_where_the_other_looks() -> None:
    driver = posed((0, 0, 0), expression=units(eyeBlinkRight=1.0)).with_(gaze=np.float32([[0.2, 0.0], [-0.6, 0.3]]))
    assert np.abs(moved(NEUTRAL, driver, NEUTRAL).gaze[0] - [0.2, 0.0]).max() < 0.025
