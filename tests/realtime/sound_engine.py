"""The engine under test, run as a program of its own: flashes at full seconds, and takes the sound along.

python sound_engine.py SECONDS LATE_MS REPORT.json [BUFFER_MS] -> a JSON line per flash handed over, {"ns": ..}, and one
a second with the gaps in the sound so far, {"second": .., "gaps": ..}; the camera is late by LATE_MS, and its stamps
say so.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fakes import FakePredictor, FakeTracker, assembler
from fakes import stages as fake_stages

from realtime.capture.base import Item
from realtime.clock import MonotonicClock
from realtime.config import Config
from realtime.outputs.base import Stream
from realtime.pipeline import Engine
from realtime.types import Composite, Frame

NS = 1_000_000_000
FPS = 30


class Flashes:
    """A camera that sees a flash of a fifth of a second at every full second of the clock."""

    name, fps, real_time, has_pictures, audio = "flashes", Fraction(FPS), True, True, None

    def __init__(self, late_ns: int) -> None:
        self._late_ns, self._closed = late_ns, False

    def __iter__(self) -> Iterator[Item]:
        index = time.monotonic_ns() * FPS // NS + 2
        seq = 0
        while not self._closed:
            captured_ns = -(-index * NS // FPS)
            time.sleep(max((captured_ns + self._late_ns - time.monotonic_ns()) / NS, 0))
            bright = captured_ns % NS < NS // 5
            yield Frame(seq, captured_ns, np.full((8, 8, 3), 255 if bright else 0, np.uint8))
            index, seq = index + 1, seq + 1

    def close(self) -> None:
        self._closed = True


class Eye:
    """An output that notes when each flash arrives."""

    name = "eye"

    def __init__(self) -> None:
        self._bright = True

    def open(self, stream: Stream) -> None:
        pass

    def send(self, composite: Composite) -> None:
        bright = int(composite.rgb[0, 0, 0]) > 150
        if bright and not self._bright:
            sys.stdout.write(json.dumps({"ns": time.monotonic_ns()}) + "\n")
            sys.stdout.flush()
        self._bright = bright

    def close(self, complete: bool) -> None:
        pass


if __name__ == "__main__":
    seconds, late_ms, path = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    config = Config(
        neutral="first",
        seconds=seconds,
        lookahead=0.0,
        audio_in="room_mic",
        audio_out="cable",
        audio_buffer=float(sys.argv[4]) if len(sys.argv) > 4 else 80.0,
        report=path,
    )
    engine = Engine(config, driver=Flashes(int(late_ms * 1e6)), outputs=[Eye()], clock=MonotonicClock(),
                    assemble=assembler(fake_stages(FakeTracker(delay_s=0.01), predictor=FakePredictor())))  # fmt: skip

    def second(figures: dict[str, Any]) -> None:
        audio = figures["audio"]
        sys.stdout.write(json.dumps({"second": time.monotonic_ns(), "gaps": audio["xruns"] + audio["starved"]}) + "\n")
        sys.stdout.flush()

    engine.run(second)
