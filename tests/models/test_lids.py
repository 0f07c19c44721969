"""Lids: closure and gap lead back to each other, and a shut lid is shut."""

from __future__ import annotations

import numpy as np
import pytest
from faces import MODEL, SOME, units, vectors
from hypothesis import given

from models import lids
from models.face import N_UNITS
from models.morphable import LEFT_EYE
from models.puppet import close_lids


@SOME
@given(vectors(2, -1.0, 1.0))
def test_closure_undoes_the_measured_gap(closed: np.ndarray) -> None:
    assert np.allclose(lids.closure(lids.gap_of(closed)), closed, atol=1e-12)


@SOME
@given(vectors(2, lids.SHUT_RATIO, 1.0 + lids.WIDE_SPAN))
def test_the_measured_gap_undoes_closure(ratio: np.ndarray) -> None:
    assert np.allclose(lids.gap_of(lids.closure(ratio)), ratio, atol=1e-12)


@SOME
@given(vectors(2, 0.0, 2.0))
def test_closure_is_bounded_and_falls_as_the_gap_grows(ratio: np.ndarray) -> None:
    a, b = lids.closure(np.sort(ratio))
    assert -1.0 <= b <= a <= 1.0


@SOME
@given(vectors(2, -1.0, 1.0))
def test_units_keep_closure_and_an_eye_is_never_both_shut_and_wide(closed: np.ndarray) -> None:
    row = np.full(N_UNITS, 0.5, np.float32)
    lids.write_units(row, lids.gap_of(closed))
    assert np.allclose(lids.read_units(row), closed, atol=1e-6)
    assert not np.minimum(row[list(lids.BLINK)], row[list(lids.WIDE)]).any()
    others = np.delete(row, [*lids.BLINK, *lids.WIDE])
    assert (others == 0.5).all()


def test_what_is_drawn_is_shut_at_closure_one() -> None:
    assert lids.gap_ratio(np.array([1.0, 0.0])).tolist() == [0.0, 1.0]
    assert lids.gap_ratio(np.array([-1.0, 0.5])).tolist() == pytest.approx([1.0 + lids.WIDE_SPAN, 0.5])


def test_openness_names_the_subjects_left_first_and_ignores_size() -> None:
    head = MODEL.mean.copy()
    close_lids(head, np.array([1.0, 0.0]), lids.openness(head))
    left, right = lids.openness(head)
    assert left < 0.01 < right
    assert np.allclose(lids.openness(3.0 * head), lids.openness(head), atol=1e-6)


@SOME
@given(vectors(2, -1.0, 1.0), vectors(4, 0.0, 1.0))
def test_the_drawn_gap_is_what_closure_asks_for_whatever_the_face_does(closed: np.ndarray, others: np.ndarray) -> None:
    squint, smile, sneer, blink = others
    head = MODEL.mean + MODEL.offsets(units(eyeSquint=squint, mouthSmile=smile, noseSneer=sneer, eyeBlink=blink * 0.6))
    before = lids.openness(head)
    gap = lids.openness(MODEL.mean)
    close_lids(head, closed, gap)
    wanted = np.minimum(
        lids.wide_limit(gap * lids.gap_ratio(closed), gap), 1.6 * before
    )  # lids are not torn wider than this
    assert np.allclose(lids.openness(head), wanted, atol=2e-3)


def test_shut_lids_touch_point_by_point() -> None:
    head = MODEL.mean.copy()
    close_lids(head, np.ones(2), lids.openness(head))
    assert np.abs(head[list(LEFT_EYE.upper)] - head[list(LEFT_EYE.lower)]).max() < 1e-4


def test_a_blinking_first_frame_does_not_become_the_open_reference() -> None:
    scores = np.zeros(N_UNITS, np.float32)
    gaps = np.array([0.05, 0.31])
    scores[lids.BLINK[0]] = 0.9
    reference = lids.open_reference(gaps, scores)
    assert reference[0] > 0.2
    assert reference[1] == 0.31


def test_a_widening_eye_is_eased_and_an_eye_as_in_its_photo_is_not() -> None:
    own = np.array([0.27, 0.40])
    assert np.array_equal(lids.wide_limit(own, own), own)
    assert np.array_equal(lids.wide_limit(0.5 * own, own), 0.5 * own)
    wide = lids.wide_limit(1.4 * own, own)
    assert (wide > own).all()
    assert wide[0] < lids.WIDE_MOST
    assert wide[1] < lids.WIDE_GROWTH * own[1]
    steps = [lids.wide_limit(k * own, own) for k in np.linspace(0.9, 1.6, 50)]
    assert (np.diff(steps, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("ratio", "score", "closed"), [(0.25, 0.75, 1.0), (0.25, 0.45, 0.852), (0.7, 0.9, 0.341), (1.0, 0.0, 0.0)]
)
def test_a_small_gap_is_shut_only_when_the_scores_say_so(ratio: float, score: float, closed: float) -> None:
    scores = np.zeros(52, np.float32)
    scores[list(lids.BLINK)] = score
    reference = np.array([0.27, 0.30])
    got = lids.closure(lids.seen_ratio(ratio * reference, reference, scores))
    assert got == pytest.approx([closed, closed], abs=2e-3)


def test_one_eye_may_be_shut_alone() -> None:
    scores = np.zeros(52, np.float32)
    scores[lids.BLINK[0]] = 0.8
    got = lids.seen_ratio(np.array([0.08, 0.08]), np.array([0.3, 0.3]), scores)
    assert got[0] == pytest.approx(lids.SHUT_RATIO)
    assert got[1] == pytest.approx(0.08 / 0.3)
