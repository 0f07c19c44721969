"""Calibration with a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest
from faces import NEUTRAL, degrees_between, posed, units

from models import lids
from models.calibration import Calibration

MS = 1_000_000


def test_auto_knows_nothing_before_its_second_is_over_and_then_the_average() -> None:
    calibration = Calibration("auto")
    start = 5_000_000_000_000
    for i in range(31):
        assert calibration.neutral is None
        calibration.observe(posed((0, 10 if i % 2 else 14, 0)), start + i * 1000 * MS // 30)
    assert calibration.neutral is not None
    assert degrees_between(calibration.neutral, posed((0, 12, 0))) < 0.2


def test_a_known_neutral_does_not_drift() -> None:
    calibration = Calibration("first")
    calibration.observe(NEUTRAL, 0)
    kept = calibration.neutral
    for i in range(100):
        calibration.observe(posed((0, 30, 0)), i * 33 * MS)
    assert kept is NEUTRAL
    assert calibration.neutral is kept


def test_blinks_are_left_out_of_the_average() -> None:
    calibration = Calibration("auto", duration_ns=1000 * MS)
    blink = NEUTRAL.with_(expression=units(eyeBlinkLeft=1.0))
    for i in range(31):
        calibration.observe(blink if 5 <= i < 9 else NEUTRAL, i * 34 * MS)
    assert calibration.neutral is not None
    assert not lids.read_units(calibration.neutral.expression).any()


def test_eyes_shut_all_along_still_calibrate() -> None:
    calibration = Calibration("auto")
    shut = NEUTRAL.with_(expression=units(eyeBlink=1.0))
    for i in range(40):
        calibration.observe(shut, i * 33 * MS)
    assert calibration.neutral is not None
    assert np.allclose(lids.read_units(calibration.neutral.expression), 1.0)


def test_recalibrating_starts_a_new_second() -> None:
    calibration = Calibration("auto")
    for i in range(40):
        calibration.observe(NEUTRAL, i * 33 * MS)
    calibration.recalibrate()
    assert calibration.neutral is None
    base = 90_000 * MS
    for i in range(30):
        calibration.observe(posed((0, 20, 0)), base + i * 33 * MS)
        assert calibration.neutral is None
    calibration.observe(posed((0, 20, 0)), base + 1001 * MS)
    assert calibration.neutral is not None
    assert degrees_between(calibration.neutral, posed((0, 20, 0))) < 0.01


def test_recalibrating_in_the_middle_forgets_what_was_seen() -> None:
    calibration = Calibration("auto")
    for i in range(20):
        calibration.observe(posed((0, 40, 0)), i * 33 * MS)
    calibration.recalibrate()
    for i in range(31):
        calibration.observe(NEUTRAL, (700 + i * 34) * MS)
    assert calibration.neutral is not None
    assert degrees_between(calibration.neutral, NEUTRAL) < 0.01


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected auto or first"):
        Calibration("never")  # type: ignore[arg-type]
