"""What the tests in the guest share: the module, a sender of coded pictures, and the figures they leave."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sender import CodedSender

from realtime.config import Config
from realtime.outputs.vcam import VcamOutput

SHARE = Path("/run/share")


def load(buffers: int = 32) -> None:
    """Load the module with three cameras.

    So many buffers because the emulated machine stumbles: a reader may be a second late. A reader that asks for fewer
    than there are makes the module of Debian 12 take some away while a picture is written into them, and the kernel
    stops: seen here with 32 and OpenCV, which asks for 4. FFmpeg asks for more than there are.
    """
    subprocess.run(["insmod", SHARE / "v4l2loopback.ko", "devices=3", "video_nr=10,11,12", "exclusive_caps=1,1,0",
                    f"max_buffers={buffers}", "card_label=FaceAnime,FaceAnime2,Shared"], check=True)  # fmt: skip


def unload() -> subprocess.CompletedProcess[str]:
    return subprocess.run(["rmmod", "v4l2loopback"], check=False, capture_output=True, text=True)


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def sending(
    width: int, height: int, device: str | None = "/dev/video10", pictures: int = 8, **config: Any
) -> CodedSender:
    return CodedSender(VcamOutput(Config(**config), device), width, height, Config(**config), pictures)


def note(name: str, found: dict[str, Any]) -> None:
    """Add what was measured to the share's figures."""
    path = SHARE / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(figures | {name: found}, indent=1) + "\n")
