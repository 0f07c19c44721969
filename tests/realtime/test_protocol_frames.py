"""The frames of Unity and ARKit against what a person would see."""

from __future__ import annotations

import numpy as np
import pytest
from packets import face, random_face

from models import rotation
from models.face import N_UNITS, UNIT, UNITS
from realtime.protocols.frames import (
    NOMINAL_MM,
    gaze_of_units,
    gaze_of_unity,
    mirrored,
    params_of_arkit,
    pivot_metres,
    relative,
    translation_of_pivot,
    unit_index,
    unity_gaze,
)

NOSE = np.array([0.0, 0.0, -1.0])  # out of the face, head frame
CROWN = np.array([0.0, -1.0, 0.0])


def look(params: object, direction: np.ndarray) -> np.ndarray:
    return rotation.matrix(params.rotation) @ direction  # type: ignore[attr-defined]


@pytest.mark.parametrize("spell", [str, str.lower, lambda n: n[0].upper() + n[1:]])
def test_every_unit_is_found_by_its_spellings(spell: object) -> None:
    assert [unit_index(spell(name)) for name in UNITS] == list(range(N_UNITS))  # type: ignore[operator]
    assert unit_index("eyeBlink_L") == UNIT["eyeBlinkLeft"]
    assert unit_index("mouthLeft") == UNIT["mouthLeft"]
    assert unit_index("Fcl_ALL_Joy") is None


def test_a_phones_angles_turn_the_head_as_documented() -> None:
    units, here = np.zeros(N_UNITS, np.float32), np.array([0.0, 0.0, -0.6])

    def head(*degrees: float) -> object:
        return params_of_arkit(units, np.array(degrees), here, (None, None))

    assert look(head(20, 0, 0), NOSE)[1] > 0.3  # x: the nose goes down
    assert look(head(0, 20, 0), NOSE)[0] > 0.3  # y: to the image right, the subject's left
    assert look(head(0, 0, 20), CROWN)[0] < -0.3  # z: the crown goes to the image left
    both = head(20, 30, 0)  # x first, then y about the upright axis: the nose keeps its height
    assert look(both, NOSE)[1] == pytest.approx(np.sin(np.radians(20)))


def test_a_phones_position_becomes_ours() -> None:
    units = np.zeros(N_UNITS, np.float32)
    p = params_of_arkit(units, np.zeros(3), np.array([0.05, 0.02, -0.7]), (None, None))
    q = params_of_arkit(units, np.zeros(3), np.array([0.0, 0.0, -0.6]), (None, None))
    assert np.allclose(p.translation - q.translation, [50, -20, 100])
    assert 500 < q.translation[2] < 650
    assert params_of_arkit(units, np.zeros(3), np.zeros(3), (None, None)).translation[2] > 500


def test_a_phones_eyes_give_gaze_and_without_them_the_units_do() -> None:
    units = np.zeros(N_UNITS, np.float32)
    eyes = (np.array([5.0, 10.0, 0.0]), np.array([5.0, -10.0, 0.0]))
    gaze = params_of_arkit(units, np.zeros(3), np.zeros(3), eyes).gaze
    assert np.allclose(np.degrees(gaze), [[10, 5], [-10, 5]], atol=1e-4)
    units[UNIT["eyeLookOutLeft"]] = units[UNIT["eyeLookInRight"]] = 1.0  # both to the subject's left: image right
    assert (gaze_of_units(units)[:, 0] > 0.4).all()
    assert np.allclose(gaze_of_units(units)[:, 1], 0)


def test_unity_eyes_there_and_back() -> None:
    gaze = np.array([[0.3, -0.2], [-0.4, 0.1]], np.float32)
    assert np.allclose([gaze_of_unity(q) for q in unity_gaze(gaze)], gaze, atol=1e-6)
    x, y, z = rotation.matrix(unity_gaze(np.array([[0.3, 0.2], [0, 0]], np.float32))[0])[:, 2]
    assert x < -0.25  # the subject's left is minus x of an avatar
    assert y < -0.15
    assert z > 0.9


def test_the_pivot_there_and_back() -> None:
    for seed in range(20):
        p = random_face(np.random.default_rng(seed))
        assert np.allclose(translation_of_pivot(pivot_metres(p), p.rotation), p.translation)
    closer = face().with_(translation=np.array([100.0, 0.0, NOMINAL_MM - 50]))
    step = pivot_metres(closer) - pivot_metres(face())
    assert np.allclose(step, [-0.1, 0, 0.05])  # image right is the avatar's left; closer is forward


def test_motion_from_neutral_is_nothing_at_neutral_and_shuts_the_eyes() -> None:
    rng = np.random.default_rng(1)
    neutral = random_face(rng)
    still = relative(neutral, neutral)
    assert np.allclose(still.rotation, rotation.identity())
    assert np.allclose(still.translation, [0, 0, NOMINAL_MM])
    assert not still.expression.any()
    assert not still.gaze.any()
    tired = face(eyeBlinkLeft=0.3)
    assert relative(face(eyeBlinkLeft=1.0), tired).expression[UNIT["eyeBlinkLeft"]] == pytest.approx(1.0)


def test_a_mirror_twice_is_no_mirror() -> None:
    p = random_face(np.random.default_rng(2))
    back = mirrored(mirrored(p))
    assert np.allclose(back.rotation, p.rotation)
    assert np.allclose(back.translation, p.translation)
    assert np.array_equal(back.expression[:N_UNITS], p.expression[:N_UNITS])
    assert np.allclose(back.gaze, p.gaze)
    wink = mirrored(face(turn=(0.1, 0.2, 0.3), eyeBlinkLeft=0.7, mouthLeft=0.4))
    assert wink.expression[UNIT["eyeBlinkRight"]] == np.float32(0.7)
    assert wink.expression[UNIT["mouthRight"]] == np.float32(0.4)
    assert np.allclose(rotation.log(wink.rotation), [0.1, -0.2, -0.3])
