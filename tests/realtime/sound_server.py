"""A real sound server for tests, without hardware: two null sinks, and PortAudio's way to them through ALSA.

PulseAudio, or PipeWire with its PulseAudio half where FACEANIME_SOUND_SERVER=pipewire.

`room` is what a microphone hears (a player writes into it, the engine listens to its monitor); `cable` is the virtual
cable the engine speaks into, and a call would listen to. Everything lives in one folder and ends with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

PCMS = {"room_mic": "room.monitor", "room_speaker": "room", "cable": "cable", "cable_far": "cable.monitor"}
PIPEWIRE = os.environ.get("FACEANIME_SOUND_SERVER") == "pipewire"
_PIPEWIRE = ("dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse")
_SINKS = ("room", "cable")
_REAL_TIME = ("chrt", "-f", "20", "true")
_FAVOURED = ("nice", "-n", "-11", "true")


def why_not() -> str | None:
    """Return what is missing for a real server, or None."""
    for program in (*(_PIPEWIRE if PIPEWIRE else ("pulseaudio",)), "pacat", "pactl"):
        if shutil.which(program) is None:
            kinds = "dbus pipewire pipewire-pulse wireplumber" if PIPEWIRE else "pulseaudio"
            return f"{program} is not installed (Debian: apt install {kinds} pulseaudio-utils)"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA's pulse plugin is not installed (Debian: apt install libasound2-plugins)"
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        return f"sounddevice cannot be used ({error})"
    return None


class SoundServer:
    """Runs the server; `environment` is what programs need to reach it."""

    def __init__(self, folder: Path, real_time: bool = True) -> None:
        self._folder, self._real_time = folder, real_time
        self._socket = folder / ("run/pulse/native" if PIPEWIRE else "pulse.sock")
        self._processes: list[subprocess.Popen[bytes]] = []
        server = f'server "unix:{self._socket}"'
        pcms = "".join(f"pcm.{name} {{ type pulse device {device} {server} }}\n" for name, device in PCMS.items())
        (folder / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n" + pcms)
        (folder / "home").mkdir()
        (folder / "run").mkdir(mode=0o700)
        self.environment = {
            **os.environ, "HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run"),
            "PULSE_SERVER": f"unix:{self._socket}", "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }  # fmt: skip

    def __enter__(self) -> SoundServer:
        if PIPEWIRE:
            bus = self._folder / "run/bus"
            self.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
            self.spawn("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={bus}")
            wait_for_file(bus)
            self.spawn("pipewire")
            wait_for_file(self._folder / "run/pipewire-0")
            self.spawn("wireplumber")
            self.spawn("pipewire-pulse")
        else:
            listen = f"--load=module-native-protocol-unix socket={self._socket} auth-anonymous=1"
            self.spawn("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                       "--realtime=no", listen)  # fmt: skip
        wait_for_file(self._socket)
        for name in _SINKS:
            subprocess.run(["pactl", "load-module", "module-null-sink", f"sink_name={name}", "rate=48000"],
                           env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=20)  # fmt: skip
        # A null sink without a client renders two seconds ahead; a real card never does. Silence keeps it awake.
        for name in _SINKS:
            self.spawn("pacat", "--playback", f"--device={name}", "--latency-msec=10", "--raw", "--rate=48000",
                       "--channels=1", "--format=s16le", "/dev/zero")  # fmt: skip
        time.sleep(1.0)
        return self

    def spawn(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program of the server inside, in real time where that is allowed; it is ended with the server."""
        # Sound servers run in real time on a desktop too (rtkit sees to it).
        return self._start(
            *(("chrt", "-f", "20") if self._real_time and _may(*_REAL_TIME) else ()), *command, **options
        )

    def python(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the programs of the test, favoured but never in real time; its output can be read."""
        # PortAudio's thread asks again and again until the pulse plugin's thread has answered. In real time two such
        # programs kept two processors from those who should answer, and span for ever.
        first = ("nice", "-n", "-11") if _may(*_FAVOURED) else ()
        return self._start(*first, sys.executable, *arguments, stdout=subprocess.PIPE)

    def _start(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   **{"stdout": subprocess.DEVNULL, **options})  # type: ignore[call-overload]  # fmt: skip
        self._processes.append(process)
        return process  # type: ignore[no-any-return]

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_file(path: Path) -> None:
    """Wait, for ten seconds at most, until a program has made its socket."""
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)


def _may(*trial: str) -> bool:
    """Whether this machine lets us ask for such scheduling."""
    if shutil.which(trial[0]) is None:
        return False
    asked = subprocess.run(trial, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return asked.returncode == 0 and not asked.stderr  # nice only warns
