"""A real OBS Studio on a screen that does not exist: Xvfb, software OpenGL, its WebSocket server set up beforehand."""

from __future__ import annotations

import base64
import logging
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

_GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test
[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={port}
AlertsEnabled=false
AuthRequired=true
ServerPassword={password}
"""
_PROFILE = """[General]
Name=Test
[Video]
BaseCX=1280
BaseCY=720
OutputCX=1280
OutputCY=720
FPSCommon=30
"""


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Studio:
    """OBS with one empty scene, from entering a with-block to its end; its settings live under `home`."""

    def __init__(self, home: Path) -> None:
        self.port, self.password = free_port(), secrets.token_hex(8)
        self._home = home
        self.seconds_to_start = 0.0

    def __enter__(self) -> Studio:
        import obsws_python

        settings = self._home / ".config/obs-studio"
        (settings / "basic/profiles/Test").mkdir(parents=True)
        (settings / "global.ini").write_text(_GLOBAL.format(port=self.port, password=self.password))
        (settings / "basic/profiles/Test/basic.ini").write_text(_PROFILE)
        # The server itself picks a free display and says which.
        read, write = os.pipe()
        screen = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
        self._screen = subprocess.Popen(screen, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            display = pipe.readline().strip()
        # OpenCV points Qt at plug-ins of its own, which are not OBS's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QT_")} | {
            "HOME": str(self._home), "XDG_CONFIG_HOME": str(self._home / ".config"), "XDG_RUNTIME_DIR": str(self._home),
            "DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb",
        }  # fmt: skip
        start = time.monotonic()
        self.log = self._home / "obs.log"
        with self.log.open("w") as log:
            self._obs = subprocess.Popen(["obs", "--multi", "--disable-updater", "--disable-missing-files-check",
                                          "--collection", "Test", "--profile", "Test"], env=environment, stdout=log,
                                         stderr=subprocess.STDOUT)  # fmt: skip
        logging.getLogger("obsws_python").setLevel(logging.CRITICAL)
        while True:
            try:
                self.client: Any = obsws_python.ReqClient(
                    host="127.0.0.1", port=self.port, password=self.password, timeout=10
                )
                self.client.get_scene_list()
                break
            except Exception:
                if self._obs.poll() is not None or time.monotonic() > start + 90:
                    self.__exit__()
                    raise AssertionError(f"OBS did not start:\n{self.log.read_text()[-2000:]}") from None
                time.sleep(0.3)
        self.seconds_to_start = time.monotonic() - start
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._obs, self._screen):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def scene(self) -> str:
        return str(self.client.get_scene_list().scenes[0]["sceneName"])

    def add_stream(self, name: str, url: str, **more: Any) -> None:
        """Add a media source that takes the engine's stream, as docs/obs.md says."""
        settings = {
            "is_local_file": False, "input": url, "input_format": "mpegts", "buffering_mb": 0, "reconnect_delay_sec": 1,
            "close_when_inactive": False, "clear_on_media_end": False, **more,
        }  # fmt: skip
        self.client.create_input(self.scene, name, "ffmpeg_source", settings, True)

    def picture(self, name: str, form: str = "png", width: int | None = None) -> np.ndarray | None:
        """Return what a source shows (RGB), None while it shows nothing."""
        try:
            answer = self.client.get_source_screenshot(name, form, width, None, 90)
        except Exception:
            return None
        data = base64.b64decode(answer.image_data.split(",", 1)[1])
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])
