"""Coming and going of the face: continuous, prompt, never frozen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fakes import params

from models.face import FaceParams
from models.motion import blend
from realtime.clock import NS_PER_S
from realtime.presence import Presence

FRAME_NS = NS_PER_S // 30


def presence() -> Presence:
    return Presence(blend, int(0.45 * NS_PER_S), int(0.35 * NS_PER_S))


def play(faces: list[bool], jaw: float = 1.0) -> list[float]:
    """Show a wide open mouth while there is a face; idle has it shut. Returns the jaw shown, frame by frame."""
    who, shown = presence(), []
    for i, face in enumerate(faces):
        got = who.step(i * FRAME_NS, params(jaw) if face else None, lambda: params(0.0))
        shown.append(float(got.expression[24]))
    return shown


def test_first_face_is_shown_as_it_is() -> None:
    assert play([True] * 3) == [1.0, 1.0, 1.0]


def test_lost_face_is_at_rest_within_half_a_second_and_moves_at_once() -> None:
    shown = play([True] * 5 + [False] * 20)
    assert shown[5] < 1.0  # moves in the very first frame
    assert shown[5 + 14] == 0.0
    assert all(b <= a for a, b in pairwise(shown[4:]))


def test_returning_face_has_the_picture_within_its_time() -> None:
    shown = play([True] * 2 + [False] * 40 + [True] * 15)
    assert shown[42] > 0.0
    assert shown[-1] == 1.0


@pytest.mark.parametrize(
    "pattern", ["1110111", "10" * 20, "1100" * 10, "1" * 10 + "0" * 7 + "1" * 3 + "0" * 30 + "1" * 20]
)
def test_no_frame_jumps(pattern: str) -> None:
    shown = play([c == "1" for c in pattern])
    # The steepest smoothstep over 0.1 s moves 1.5 / 3 frames; over 0.35 s and more far less.
    assert np.abs(np.diff(shown)).max() <= 0.55


def test_long_absence_moves_gently() -> None:
    shown = play([True] * 3 + [False] * 60 + [True] * 30)
    assert np.abs(np.diff(shown)).max() <= 1.5 / (0.35 * 30) + 0.01


def test_flickering_face_is_not_frozen() -> None:
    who, shown = presence(), []
    for i in range(60):
        live: FaceParams | None = params(i / 60) if i % 2 else None
        shown.append(float(who.step(i * FRAME_NS, live, lambda: params(0.0)).expression[24]))
    assert shown[-1] > 0.5


def test_random_dropouts_stay_continuous() -> None:
    rng = np.random.default_rng(11)
    who, last = presence(), None
    for i in range(900):
        moving = params(0.5 + 0.5 * np.sin(i / 15))
        got = float(who.step(i * FRAME_NS, moving if rng.random() > 0.2 else None, lambda: params(0.1)).expression[24])
        if last is not None:
            assert abs(got - last) < 0.5
        last = got
