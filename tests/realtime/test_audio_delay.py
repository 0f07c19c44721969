"""The delay line between two simulated sound cards: reaches its delay, never clicks, never drifts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.audio.delay import MOST_CORRECTION, DelayLine
from realtime.audio.resample import read_at, sinc_table
from realtime.audio.ring import Ring
from realtime.audio.timing import StreamClock
from realtime.clock import NS_PER_MS, NS_PER_S

RATE = 48_000


class Cards:
    """An input and an output with clocks, blocks and latencies of their own; sound is a function of time."""

    def __init__(self, sound: Callable[[np.ndarray], np.ndarray], ppm_in: float = 0.0, ppm_out: float = 0.0,
                 blocks: tuple[int, int] = (480, 480), jitter_ms: float = 0.0, seed: int = 0) -> None:  # fmt: skip
        self.line = DelayLine(RATE)
        self._sound, self._blocks, self._jitter_ns = sound, blocks, jitter_ms * NS_PER_MS
        self._rates = (RATE * (1 + ppm_in * 1e-6), RATE * (1 + ppm_out * 1e-6))
        self._rng = np.random.default_rng(seed)
        self._done = [0, 0]
        self.out: list[np.ndarray] = []
        self.times: list[np.ndarray] = []

    def run(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """Go on for `seconds`; return all output so far and the true time (s) of each of its samples."""
        limit = max(self._done[i] / self._rates[i] for i in range(2)) + seconds
        while True:
            # A block of input is handed over when it is full; a block of output 20 ms before it sounds.
            ready = [(self._done[0] + self._blocks[0]) / self._rates[0], self._done[1] / self._rates[1] + 0.03]
            if min(ready) > limit:
                break
            side = int(np.argmin(ready))
            n, rate = self._blocks[side], self._rates[side]
            t = (self._done[side] + np.arange(n)) / rate
            self._done[side] += n
            noise = self._rng.normal() * self._jitter_ns
            if side == 0:
                self.line.write(self._sound(t).astype(np.float32), t[0] * NS_PER_S + noise)
            else:
                t = t + 0.05
                block = np.empty(n, np.float32)
                self.line.read(block, t[0] * NS_PER_S + noise)
                self.out.append(block)
                self.times.append(t)
        return np.concatenate(self.out), np.concatenate(self.times)


def tone(hz: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda t: np.sin(2 * np.pi * hz * t) * (t >= 0)


def chirps(t: np.ndarray) -> np.ndarray:
    """A soft pulse every half second: the delay can be read off it."""
    phase = (t % 0.5) - 0.1
    return np.exp(-0.5 * (phase / 0.002) ** 2)


def delays(out: np.ndarray, times: np.ndarray, after: float) -> np.ndarray:
    """Delay in ms of each pulse that sounds after `after` s."""
    found = []
    for k in range(int(after * 2), int(times[-1] * 2) - 1):
        made = k * 0.5 + 0.1
        near = (times > made - 0.01) & (times < made + 0.49)
        energy = out[near].astype(float) ** 2
        found.append(((energy * times[near]).sum() / energy.sum() - made) * 1e3)
    return np.array(found)


def test_a_ring_keeps_the_newest() -> None:
    ring = Ring(100)
    assert ring.mask == 127
    for i in range(10):
        ring.write(np.arange(i * 37, (i + 1) * 37, dtype=np.float32))
    out = np.empty(200, np.float32)
    ring.read(200, out)
    assert np.array_equal(out[:42], np.zeros(42))  # overwritten
    assert np.array_equal(out[42:170], np.arange(242, 370))
    assert not out[170:].any()  # not written yet


@pytest.mark.parametrize(("hz", "loss"), [(100, 1e-4), (1000, 1e-4), (8000, 1e-3), (16000, 2e-3)])
def test_reading_between_samples_is_clean(hz: float, loss: float) -> None:
    data = np.sin(2 * np.pi * hz / RATE * np.arange(4096)).astype(np.float32)
    out = np.empty(2000, np.float32)
    end = read_at(data, 4095, sinc_table(), 100.3, 1.003, 1.003, out)
    assert end == pytest.approx(100.3 + 2000 * 1.003)
    truth = np.sin(2 * np.pi * hz / RATE * (100.3 + 1.003 * np.arange(2000)))
    assert np.abs(out - truth).max() < loss + 1e-3 * (hz > 10_000)


def test_the_loop_finds_a_clock_through_jitter() -> None:
    rng, clock = np.random.default_rng(0), StreamClock(RATE)
    true = RATE * (1 + 150e-6)
    at, errors = 0, []
    for _ in range(6000):
        n = int(rng.integers(200, 700))
        smooth = clock.observe(at / true * NS_PER_S + rng.normal() * 2 * NS_PER_MS, n)
        errors.append(smooth - at / true * NS_PER_S)
        at += n
    assert clock.ppm == pytest.approx(150, abs=25)
    assert np.abs(errors[3000:]).max() < 1.0 * NS_PER_MS
    assert clock.jumps == 0
    clock.observe(at / true * NS_PER_S + 0.2 * NS_PER_S, 480)  # the device lost samples
    assert clock.jumps == 1


@pytest.mark.parametrize("blocks", [(480, 480), (256, 1024), (441, 960)])
def test_the_delay_is_the_one_asked_for(blocks: tuple[int, int]) -> None:
    cards = Cards(chirps, blocks=blocks)
    cards.line.target_ns = 120 * NS_PER_MS
    out, times = cards.run(6)
    assert np.abs(delays(out, times, 2) - 120).max() < 1.0
    assert cards.line.delay_ms == pytest.approx(120, abs=1)
    assert cards.line.starved == 0


def test_a_delay_shorter_than_the_devices_becomes_the_shortest_possible() -> None:
    cards = Cards(chirps)
    out, times = cards.run(6)
    shortest = delays(out, times, 2)
    assert cards.line.starved <= 1  # it may have to learn
    assert 40 < shortest.mean() < 80  # 50 ms of output, a block or two
    assert cards.line.least_ms == pytest.approx(shortest[-1], abs=6)


@pytest.mark.parametrize("ppm", [(200.0, -200.0), (-300.0, 100.0)])
def test_two_clocks_that_differ_do_not_drift_apart(ppm: tuple[float, float]) -> None:
    cards = Cards(chirps, *ppm, jitter_ms=1.0)
    cards.line.target_ns = 150 * NS_PER_MS
    out, times = cards.run(60)
    late = delays(out, times, 20)
    assert np.abs(late - 150).max() < 2.0  # without the loop it were 24 ms by now
    assert abs(np.polyfit(np.arange(len(late)), late, 1)[0]) * 120 < 1.0  # ms a minute
    assert cards.line.drift_ppm == pytest.approx(ppm[0] - ppm[1], abs=60)
    assert cards.line.starved == cards.line.jumps == 0


@settings(max_examples=25, deadline=None)
@given(
    targets=st.lists(st.floats(60, 380), min_size=1, max_size=4),
    ppm=st.floats(-300, 300),
    hz=st.floats(80, 900),
    jitter=st.floats(0, 3),
    seed=st.integers(0, 1000),
)
def test_no_click_however_the_delay_is_moved(
    targets: list[float], ppm: float, hz: float, jitter: float, seed: int
) -> None:
    cards = Cards(tone(hz), ppm, 0.0, jitter_ms=jitter, seed=seed)
    cards.line.target_ns = 150 * NS_PER_MS
    cards.run(1.5)
    for target in targets:
        cards.line.target_ns = target * NS_PER_MS
        cards.run(1.0)
    out, _ = cards.run(0.5)
    heard = out[int(1.0 * RATE) :]
    steepest = 2 * np.pi * hz / RATE
    # One fade in a jump may add its own slope; the speed may raise the pitch by one per cent.
    fade = 2.0 / (0.02 * RATE) * 2.1 * (cards.line.jumps > 0)
    assert np.abs(np.diff(heard)).max() < steepest * (1 + 2 * MOST_CORRECTION) + fade + 1e-3
    assert np.abs(heard).max() < 1.02


@settings(max_examples=15, deadline=None)
@given(a=st.floats(100, 250), b=st.floats(100, 250))
def test_a_new_delay_is_reached_at_a_limited_speed(a: float, b: float) -> None:
    cards = Cards(tone(200))
    cards.line.target_ns = a * NS_PER_MS
    cards.run(3)
    cards.line.target_ns = b * NS_PER_MS
    course = []
    for _ in range(100):
        cards.run(0.2)
        course.append(cards.line.delay_ms)
    assert course[-1] == pytest.approx(b, abs=0.5)
    assert np.abs(np.diff([cards.line.delay_ms, *course[1:]])).max() < 400
    assert np.abs(np.diff(course)).max() <= 200 * MOST_CORRECTION * 1.1 + 0.2  # ms in a fifth of a second
    assert cards.line.jumps == 0


def test_a_large_change_jumps_over_a_fade() -> None:
    cards = Cards(tone(300))
    cards.line.target_ns = 100 * NS_PER_MS
    cards.run(2)
    cards.line.target_ns = 1500 * NS_PER_MS
    out, _ = cards.run(1)
    assert cards.line.jumps == 1
    assert cards.line.delay_ms == pytest.approx(1500, abs=1)
    assert np.abs(np.diff(out[RATE:])).max() < 2 * np.pi * 300 / RATE * 1.05 + 0.005


def test_an_input_that_stops_fades_into_silence_and_comes_back() -> None:
    cards = Cards(tone(300))
    cards.line.target_ns = 100 * NS_PER_MS
    cards.run(2)
    line, at = cards.line, (cards._done[1] / RATE + 0.05) * NS_PER_S
    blocks = []
    for i in range(60):
        block = np.empty(480, np.float32)
        line.read(block, at + i * 1e7)
        blocks.append(block)
    out = np.concatenate(blocks)
    assert line.starved > 0
    assert not out[-4800:].any()
    assert np.abs(np.diff(out)).max() < 0.12
