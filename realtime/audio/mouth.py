"""The mouth that follows a voice: from a microphone, or from a sound file, onto params that have no driver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.face import F32, N_UNITS, FaceParams
from models.morphable import load_morphable
from models.transfer import Gains, gain_vector
from models.voice import Voice
from realtime.audio.devices import AudioError
from realtime.audio.ring import Ring
from realtime.clock import NS_PER_S

RATE = 48_000
_LONGEST_S = 1.0  # of sound that is worked off at once, after a pause
Heard = Callable[[int], int]


class Mouth:
    """Shapes the mouth of idle motion by a voice; `speak` is called from the thread that renders."""

    def __init__(self, ring: Ring, heard_at: Heard) -> None:
        """`heard_at` gives the number of the sample that belongs to a picture of that instant (ns)."""
        self._ring, self._heard_at = ring, heard_at
        self._voice = Voice(RATE)
        self._done: int | None = None
        self._block: F32 = np.zeros(int(_LONGEST_S * RATE), np.float32)
        # Idle motion may talk by itself: what its units and components do to mouth and jaw is taken out.
        self._still = gain_vector(load_morphable(), Gains(mouth=0.0, jaw=0.0))

    def listen(self, at_ns: int) -> None:
        """Hear everything up to the sound of an instant; call it for every picture, or the noise floor grows old."""
        until = min(self._heard_at(at_ns), self._ring.written)
        if self._done is None or until - self._done > len(self._block):
            self._done = max(until - len(self._block), 0)
        if until > self._done:
            block = self._block[: until - self._done]
            self._ring.read(self._done, block)
            self._voice.feed(block)
            self._done = until

    def speak(self, params: FaceParams) -> FaceParams:
        """Return params with the mouth of the voice; everything else stays."""
        expression = params.expression * self._still
        expression[:N_UNITS] += self._voice.units
        return params.with_(expression=np.asarray(expression, np.float32))


def read_sound(path: Path) -> F32:
    """Return any sound file as mono samples at `RATE`; raises `AudioError`."""
    import av

    flag, todo = f"--mouth {path}", "Give a sound file that a player can open, e.g. --mouth speech.wav"
    if not path.is_file():
        raise AudioError(flag, "there is no such file", todo)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(flag, "there is no sound in it", todo)
            resampler = av.AudioResampler("flt", "mono", RATE)
            parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise AudioError(flag, f"it cannot be read ({error})", todo) from None
    if not parts:
        raise AudioError(flag, "there is no sound in it", todo)
    return np.concatenate(parts).astype(np.float32)


def mouth_of_file(path: Path) -> Mouth:
    """Return a mouth that speaks a sound file from the first picture on."""
    samples = read_sound(path)
    ring = Ring(len(samples))
    ring.write(samples)
    start_ns: list[int] = []

    def heard_at(at_ns: int) -> int:
        if not start_ns:
            start_ns.append(at_ns)
        return int((at_ns - start_ns[0]) * RATE / NS_PER_S)

    return Mouth(ring, heard_at)
