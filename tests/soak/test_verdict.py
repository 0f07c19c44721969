"""The soak's judge: it sees a leak, a burst of drops and a lost file, and knows a busy machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from verdict import Sample, faults, growth, why_no_verdict


def samples(level: Any) -> list[Sample]:
    return [Sample(s, level(s), level(s), 1.0, 0.5 * s) for s in range(0, 1800, 5)]


def good() -> dict[str, Any]:
    sent = {"pictures": 54000, "longest_gap_ms": 55.0, "gaps_over_100_ms": 0, "longest_still_ms": 90.0}
    return {
        "memory": growth(samples(lambda s: 400.0), 180), "seconds": 1800.0, "exit_code": 0, "cpu_pressure": 0.1,
        "sent": {"page": sent, "file": dict(sent)}, "file": {"pictures": 54000},
        "viewers": [{"name": "fast", "pictures": 50000}], "sound": {"played": 1790, "heard": 1780},
        "machine_stalls": {"longest_ms": 8.0, "over_33_ms": 0},
    }  # fmt: skip


def test_a_good_run_has_no_faults() -> None:
    assert faults(good(), 1000 / 30) == []
    assert why_no_verdict(good()) is None


@pytest.mark.parametrize(
    ("level", "leaks"),
    [(lambda s: 400 + 0.02 * s, True), (lambda s: 400 + 100 * (s < 180), False), (lambda s: 400 + 3 * (s % 7), False),
     (lambda s: 400 + 60 * (900 < s < 1200), True), (lambda s: 400 + 300 * (s == 905), False)])  # fmt: skip
def test_memory_is_judged_after_warm_up_by_the_minute(level: Any, leaks: bool) -> None:
    found = good() | {"memory": growth(samples(level), 180)}
    assert [fault.timed for fault in faults(found, 1000 / 30)] == [False] * leaks


@pytest.mark.parametrize(
    ("where", "what", "value", "words"),
    [("page", "longest_gap_ms", 130.0, "without a picture"), ("file", "longest_still_ms", 180.0, "stood still"),
     ("page", "pictures", 50000, "wanted")])  # fmt: skip
def test_gaps_and_rates_are_seen_and_may_be_the_machines(where: str, what: str, value: float, words: str) -> None:
    found = good()
    found["sent"][where][what] = value
    (fault,) = faults(found, 1000 / 30)
    assert words in fault.text
    assert fault.timed
    found["machine_stalls"] = {"longest_ms": 400.0, "over_33_ms": 3}
    assert "3 times, by 400 ms" in (why_no_verdict(found) or "")
    found["machine_stalls"]["over_33_ms"], found["cpu_pressure"] = 0, 0.9
    assert "90 %" in (why_no_verdict(found) or "")


def test_what_no_busy_machine_explains() -> None:
    found = good() | {"exit_code": 70, "file": {"pictures": 53990}, "viewers": [{"name": "slow", "pictures": 0}]}
    assert [fault.timed for fault in faults(found, 1000 / 30)] == [False] * 3


def test_too_short_a_run_is_no_proof() -> None:
    with pytest.raises(ValueError, match="before memory"):
        growth(samples(lambda s: 1.0)[:10], 180)
