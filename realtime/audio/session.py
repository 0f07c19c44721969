"""The running sound: a microphone stream, the delay line, an output stream; or the microphone alone, for the mouth."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from models.face import F32
from realtime.audio.delay import DelayLine
from realtime.audio.devices import AudioError, SoundDevice, default_input, find_device, sounddevice
from realtime.audio.timing import Offset
from realtime.clock import NS_PER_MS, NS_PER_S, Clock
from realtime.notices import Notice, Notices, Once

_LOG = logging.getLogger("faceanime.audio")
RATE = 48_000
_BLOCK = 480
_LARGEST = 8192
_MANY_GAPS = 5
_DEAD_NS = 2 * NS_PER_S
_HYSTERESIS_NS = 5 * NS_PER_MS  # the measured delay wobbles; speech that follows it would too
_MOST_DELAY_MS = 3000.0
Delay = float | Literal["auto"]


class AudioSession:
    """Opens the streams at once; `follow` from time to time, `close` at the end.

    The callbacks write and read a ring and a few numbers. They take no lock of ours, allocate no array and never wait;
    the interpreter's own lock is the one thing they share with the rest.
    """

    def __init__(self, audio_in: str, audio_out: str, delay: Delay, clock: Clock, notices: Notices,
                 package: Any = None, buffer_ms: float = 30.0) -> None:  # fmt: skip
        self._sd = package or sounddevice()
        self._clock, self._once = clock, Once(notices)
        self.delay: Delay = delay
        self.line = DelayLine(RATE)
        if delay != "auto":
            self.line.target_ns = float(delay) * NS_PER_MS
        self._xruns = {"input_overflow": 0, "input_underflow": 0, "output_overflow": 0, "output_underflow": 0}
        self._mono: F32 = np.zeros(_LARGEST, np.float32)
        self._input_ns = self._output_ns = clock.now_ns()
        self._input_offset, self._output_offset = Offset(), Offset()
        self._streams: list[Any] = []
        self._input: SoundDevice = find_device(audio_in or default_input(), "input")
        self._buffer_s = buffer_ms / 1e3
        self._output: SoundDevice | None = find_device(audio_out, "output") if audio_out else None
        try:
            self._open(self._sd.InputStream, self._input, self._heard, "--audio-in")
            if self._output is not None:
                self._open(self._sd.OutputStream, self._output, self._sounds, "--audio-out")
        except BaseException:
            self.close()
            raise
        _LOG.info("sound: %s -> %s", self._input.name, self._output.name if self._output else "the mouth")

    def _open(self, kind: Any, device: SoundDevice, callback: Callable[..., None], flag: str) -> None:
        """Open and start one stream."""
        channels = 1 if kind is self._sd.InputStream else min(device.outputs, 2)
        try:
            stream = kind(device=device.index, channels=channels, samplerate=RATE, blocksize=_BLOCK, dtype="float32",
                          latency=self._buffer_s, callback=callback)  # fmt: skip
            self._streams.append(stream)
            stream.start()
        except Exception as error:  # PortAudioError, or what a device's own driver raises
            raise AudioError(
                f"{flag} {device.name}", f"it cannot be opened at {RATE} Hz ({error})",
                "Close programs that hold it, or choose another: `python run_live.py devices`",
            ) from None  # fmt: skip

    def _heard(self, block: Any, frames: int, times: Any, status: Any) -> None:
        """Take the microphone's block: PortAudio's thread."""
        now_ns = self._clock.now_ns()
        if status:
            self._count(status)
        adc_s, current_s = times.inputBufferAdcTime, times.currentTime
        # PortAudio counts on a clock of its own; some hosts tell no time at all: then the block has just ended.
        heard_ns = now_ns - frames * NS_PER_S / RATE
        if adc_s > 0.0 and abs(current_s - adc_s) < 2.0:
            heard_ns = self._input_offset.observe(now_ns, current_s * NS_PER_S) + adc_s * NS_PER_S
        self._input_ns = now_ns
        self.line.write(block[:, 0], heard_ns)

    def _sounds(self, block: Any, frames: int, times: Any, status: Any) -> None:
        """Fill the output's block: PortAudio's thread."""
        now_ns = self._clock.now_ns()
        if status:
            self._count(status)
        dac_s, current_s = times.outputBufferDacTime, times.currentTime
        sounds_ns = now_ns + 2.0 * frames * NS_PER_S / RATE
        if dac_s > 0.0 and abs(dac_s - current_s) < 2.0:
            sounds_ns = self._output_offset.observe(now_ns, current_s * NS_PER_S) + dac_s * NS_PER_S
        self._output_ns = now_ns
        mono = self._mono[:frames]
        self.line.read(mono, sounds_ns)
        for channel in range(block.shape[1]):
            block[:, channel] = mono

    def _count(self, status: Any) -> None:
        for name in self._xruns:
            self._xruns[name] += bool(getattr(status, name, False))

    def follow(self, lag_ms: float | None) -> None:
        """Aim at the measured lag of the picture (`--audio-delay auto`), and say when a device has fallen silent."""
        if self.delay == "auto" and lag_ms is not None:
            target_ns = min(max(lag_ms, 0.0), _MOST_DELAY_MS) * NS_PER_MS
            if abs(target_ns - self.line.target_ns) > _HYSTERESIS_NS:
                self.line.target_ns = target_ns
        if self._xruns["output_underflow"] >= _MANY_GAPS and self._output is not None:
            todo = f"try --audio-buffer {2 * self._buffer_s * 1e3:.0f}, or close other programs"
            self._once.say("gaps", Notice("warning", f"the sound output {self._output.name} runs dry; {todo}"))
        now_ns = self._clock.now_ns()
        if now_ns - self._input_ns > _DEAD_NS:
            self._once.say("in", Notice("warning", f"the microphone {self._input.name} gives no sound; is it gone?"))
        if self._output is not None and now_ns - self._output_ns > _DEAD_NS:
            self._once.say("out", Notice("warning", f"the sound output {self._output.name} has stopped; is it gone?"))

    def fits(self, at_ns: int, latency_ns: int) -> int:
        """Return the number of the sample that will sound when a picture of `at_ns` is seen, `latency_ns` later.

        Without an output it is the newest one.
        """
        if self._output is None:
            return self.line.ring.written
        return self.line.heard_until(at_ns + latency_ns - self.line.delay_ms * NS_PER_MS)

    @property
    def figures(self) -> dict[str, Any]:
        """Delay now, asked for, and shortest possible (ms), drift between the devices (ppm), and what went wrong."""
        line = self.line
        return {
            "input": self._input.name, "output": self._output.name if self._output else None,
            "delay_ms": round(line.delay_ms, 2) if self._output else None,
            "target_ms": round(line.target_ns / NS_PER_MS, 2), "least_ms": round(line.least_ms, 2),
            "drift_ppm": round(line.drift_ppm, 1), "starved": line.starved, "jumps": line.jumps,
            "buffer_ms": round(self._buffer_s * 1e3, 1),
            "xruns": sum(self._xruns.values()), "xruns_by_kind": dict(self._xruns),
        }  # fmt: skip

    def close(self) -> None:
        """Stop the streams; a driver that hangs does not hold the run up."""
        streams, self._streams = self._streams, []

        def stop() -> None:
            for stream in streams:
                try:
                    stream.abort()
                    stream.close()
                except Exception:
                    _LOG.debug("closing sound", exc_info=True)

        thread = threading.Thread(target=stop, name="close sound", daemon=True)
        thread.start()
        thread.join(2.0)
