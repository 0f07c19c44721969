"""The ear of the sound tests: it finds every click, keeps no more than it needs, and leaves the processors alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from sound_server import SoundServer, why_not

HERE = Path(__file__).parent


def test_every_click_is_found_once_at_its_middle(ear: object) -> None:
    rate, tone = ear.RATE, ear.TONE  # type: ignore[attr-defined]
    at = [1000, 9000, 30_000, 32_500, rate]
    heard = np.zeros(2 * rate)
    for first in at:
        heard[first : first + len(tone)] += tone
    found, kept, done = [], np.zeros(0), 0
    for piece in np.array_split(heard, 23):
        kept = np.concatenate([kept, piece])
        middles, used = ear.clicks(kept)  # type: ignore[attr-defined]
        found += [done + middle for middle in middles]
        kept, done = kept[used:], done + used
    assert np.allclose(found, np.array(at) + len(tone) / 2, atol=2)


def test_noise_without_end_is_not_kept(ear: object) -> None:
    kept = np.zeros(0)
    for _ in range(50):
        kept = np.concatenate([kept, np.full(9600, 0.5)])
        kept = kept[ear.clicks(kept)[1] :]  # type: ignore[attr-defined]
    assert len(kept) < 4800


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_two_ears_and_a_player_leave_the_processors_alone(tmp_path: Path) -> None:
    with SoundServer(tmp_path, real_time=False) as server:
        programs = [server.python(str(HERE / "sound_ear.py"), name, "30")
                    for name in ("room_mic", "cable_far", "click:room_speaker")]  # fmt: skip
        assert programs[2].stdout is not None
        assert programs[2].stdout.readline()  # it plays
        assert [os.sched_getscheduler(p.pid) for p in programs] == [os.SCHED_OTHER] * 3
        before, began = [used_s(p.pid) for p in programs], time.monotonic()
        time.sleep(3)
        passed = time.monotonic() - began
        cores = [(used_s(p.pid) - b) / passed for p, b in zip(programs, before, strict=True)]
    assert max(cores) < 0.3


def used_s(pid: int) -> float:
    """Return the processor time of a process, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def ear() -> object:
    return pytest.importorskip("sound_ear", exc_type=(ImportError, OSError))
