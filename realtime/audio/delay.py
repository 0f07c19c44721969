"""The delay line: what the microphone heard comes out a wanted time later, by the clocks of both devices.

Each device has a clock of its own, and callbacks come with jitter. Two delay-locked loops say when a sample was heard
and when the next one will sound; the ring is read at the place that lies the wanted delay before that. The reading
speed is the ratio of the two clocks plus a correction of at most 1 %, so a new delay is reached without a click.
"""

from __future__ import annotations

import numpy as np

from models.face import F32
from realtime.audio.resample import TAPS, read_at, sinc_table
from realtime.audio.ring import Ring
from realtime.audio.timing import StreamClock
from realtime.clock import NS_PER_MS

MOST_CORRECTION = 0.01  # of the speed: a sixth of a semitone
_SETTLE_S = 0.5  # an error shrinks with this time constant
_MOST_STEP = 0.1  # change of speed in a second
_JUMP_S = 0.4  # an error that would take longer than 40 s to slew is jumped, over a cross-fade
_RESYNC_S, _RESYNC_FOR_S = 0.008, 1.0
_FADE_S = 0.02
_MARGIN_NS = 4 * NS_PER_MS
_LISTEN_NS = 300.0 * NS_PER_MS  # silence at the start, in which the devices show how much delay they need
_STALL_NS = 45.0 * NS_PER_MS  # no device hands its samples over in larger portions
_BUCKET_NS = 5000.0 * NS_PER_MS


class DelayLine:
    """Write from the input's callback, read from the output's; set `target_ns` from anywhere."""

    def __init__(self, rate: int, longest_s: float = 4.0, block: int = 8192) -> None:
        self.target_ns = 0.0
        self.starved = 0  # blocks for which samples were missing
        self.jumps = 0  # cross-fades to another place
        self.ring = Ring(int(rate * longest_s))
        self._rate = rate
        self._in, self._out = StreamClock(rate), StreamClock(rate)
        self._heard: tuple[int, float, float] | None = None  # sample number, its time, ns of a sample
        self._table = sinc_table()
        self._position: float | None = None
        self._speed = 1.0
        self._need_ns = 0.0  # least delay at which samples are there in time
        self._delay_ns = 0.0
        self._quiet = True
        self._listen_ns = _LISTEN_NS
        self._recent_ns = self._before_ns = self._bucket_ns = 0.0
        self._stall_ns = 0.0
        self._lost = 0
        self._resync_s = 0.0
        self._last_heard: tuple[int, float, float] | None = None
        self._other: F32 = np.zeros(block, np.float32)
        self._fade: F32 = np.linspace(0.0, 1.0, int(rate * _FADE_S), dtype=np.float32)
        read_at(self.ring.data, self.ring.mask, self._table, 64.0, 1.0, 1.0, self._other[:8])  # compiles it

    @property
    def delay_ms(self) -> float:
        """Time from the microphone to the output of the sample that is sounding, ms."""
        return self._delay_ns / NS_PER_MS

    @property
    def least_ms(self) -> float:
        """The shortest delay that the two devices allow, ms."""
        return (self._need_ns + _MARGIN_NS) / NS_PER_MS

    @property
    def drift_ppm(self) -> float:
        """How much faster the input runs than the output, in millionths."""
        return self._in.ppm - self._out.ppm

    def write(self, block: F32, adc_ns: float) -> None:
        """Take a block (N,) whose first sample was heard at `adc_ns`."""
        first = self.ring.written
        start_ns = self._in.observe(adc_ns, len(block))
        self.ring.write(block)
        self._heard = (first, start_ns, self._in.period_ns)

    def heard_until(self, at_ns: float) -> int:
        """Return the number of the sample that was heard at `at_ns`; may lie before the start or after the newest."""
        heard = self._heard
        return -1 if heard is None else int(heard[0] + (at_ns - heard[1]) / heard[2])

    def read(self, out: F32, dac_ns: float) -> None:
        """Fill a block (N,), N at most `block`, whose first sample will sound at `dac_ns`."""
        count = len(out)
        start_ns = self._out.observe(dac_ns, count)
        heard = self._heard
        if heard is None:
            out[:] = 0.0
            return
        number, number_ns, period_ns = heard
        speed = self._out.period_ns / period_ns
        written = self.ring.written
        newest_ns = number_ns + (written - number) * period_ns
        end_ns = start_ns + count * self._out.period_ns
        block_ns = end_ns - start_ns
        need_ns = end_ns - newest_ns + (TAPS // 2 + 1) * period_ns
        self._stall_ns = self._stall_ns + block_ns if heard is self._last_heard else 0.0
        self._last_heard = heard
        self._learn(need_ns, block_ns)
        delay_ns = max(self.target_ns, self._need_ns + _MARGIN_NS)
        if self._listen_ns > 0:
            self._listen_ns -= block_ns
            out[:] = 0.0
            return
        wanted = number + (start_ns - delay_ns - number_ns) / period_ns
        self._play(out, wanted, speed, written)
        assert self._position is not None
        self._delay_ns = end_ns - (number_ns + (self._position - number) * period_ns)

    def _learn(self, need_ns: float, block_ns: float) -> None:
        """Keep the most that was needed in the last five to ten seconds."""
        # A microphone that stops, or a device whose time is in doubt, says nothing about what working ones need.
        if self._stall_ns < _STALL_NS and self._in.certain and self._out.certain:
            self._recent_ns = max(self._recent_ns, need_ns)
        self._bucket_ns += block_ns
        self._need_ns = max(self._before_ns, self._recent_ns)
        if self._bucket_ns > _BUCKET_NS:
            self._before_ns, self._recent_ns, self._bucket_ns = self._recent_ns, 0.0, 0.0

    def _play(self, out: F32, wanted: float, speed: float, written: int) -> None:
        """Fill the block from where it is, on the way to `wanted`."""
        count = len(out)
        seconds = count / self._rate
        if self._position is None or self._quiet:  # nothing sounds: no need to slew
            self._position, self._speed = wanted, speed
        error = wanted - self._position
        oldest = written - len(self.ring.data) + TAPS + count
        lost = self._in.jumps + self._out.jumps
        if lost != self._lost:
            self._lost, self._resync_s = lost, _RESYNC_FOR_S
        self._resync_s -= seconds
        # A device that has just lost samples has clicked already: better a few fades than off for seconds.
        most = _RESYNC_S if self._resync_s > 0.0 else _JUMP_S
        if abs(error) > most * self._rate or self._position < oldest:
            self._jump(out, wanted, speed, written)
            return
        aim = speed + min(max(error / (_SETTLE_S * self._rate), -MOST_CORRECTION), MOST_CORRECTION)
        step = _MOST_STEP * seconds
        before, self._speed = self._speed, min(max(aim, self._speed - step), self._speed + step)
        self._position = self._take(out, self._position, before, self._speed, written)

    def _jump(self, out: F32, wanted: float, speed: float, written: int) -> None:
        """Go to `wanted` at once, fading from the old place to the new one."""
        assert self._position is not None
        count = len(out)
        old = self._other[:count]
        quiet = self._quiet
        if self._position < written - len(self.ring.data) + TAPS + count:
            old[:] = 0.0  # overwritten meanwhile
        else:
            self._take(old, self._position, self._speed, self._speed, written)
        self._quiet = quiet
        self._position = self._take(out, wanted, speed, speed, written)
        self._speed = speed
        fade = self._fade[:: max(1, -(-len(self._fade) // count))]  # a block shorter than the fade gets a steeper one
        n = len(fade)
        out[:n] *= fade
        old[:n] *= fade[::-1]
        out[:n] += old[:n]
        self.jumps += 1

    def _take(self, out: F32, position: float, speed: float, speed_end: float, written: int) -> float:
        """Read a block; samples that are not there yet are silence, entered and left over a fade."""
        count = len(out)
        ready = int((written - TAPS // 2 - 1 - position) / max(speed, speed_end))
        if position < TAPS:  # before the first sample that was heard
            out[:] = 0.0
            self._quiet = True
            return position + count * 0.5 * (speed + speed_end)
        after = read_at(self.ring.data, self.ring.mask, self._table, position, speed, speed_end, out)
        n = min(len(self._fade), count)
        if self._quiet:
            out[:n] *= self._fade[:n] if n == len(self._fade) else np.linspace(0, 1, n, dtype=np.float32)
            self._quiet = False
        if ready < count:
            self.starved += 1
            ready = max(ready, 0)
            m = min(n, ready)
            if m:
                out[ready - m : ready] *= np.linspace(1, 0, m, dtype=np.float32)
            out[ready:] = 0.0
            self._quiet = True
        return after
