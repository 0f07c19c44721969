"""The engine with `--mouth mic`, run as a program of its own: python sound_mouth.py SECONDS -> ns, jaw, pucker."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fakes import Collector, FakePuppet, assembler
from fakes import stages as fake_stages

from models.face import UNIT, FaceParams
from realtime.config import Config
from realtime.pipeline import run
from realtime.types import U8


class Teller(FakePuppet):
    """A puppet that says what its lips do."""

    def render(self, params: FaceParams) -> U8:
        jaw, pucker = (float(params.expression[UNIT[n]]) for n in ("jawOpen", "mouthPucker"))
        sys.stdout.write(json.dumps({"ns": time.monotonic_ns(), "jaw": jaw, "pucker": pucker}) + "\n")
        sys.stdout.flush()
        return super().render(params)


if __name__ == "__main__":
    run(Config(driver="imagine", seconds=float(sys.argv[1]), mouth="mic", audio_in="room_mic", audio_buffer=80.0),
        outputs=[Collector()], assemble=assembler(fake_stages(puppet=Teller())))  # fmt: skip
