"""Keeps the microphone in OBS Studio in step with the picture: its sync offset follows the measured lag.

Speaks obs-websocket 5 through `obsws-python`, an optional extra imported only here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from realtime.config import Config
from realtime.errors import OutputError
from realtime.meter import Meter
from realtime.notices import Notice, Notices

PASSWORD_VARIABLE = "FACEANIME_OBS_PASSWORD"
_PIP_LINE = "Run `.venv/bin/pip install obsws-python`"
_SERVER_HINT = "In OBS choose Tools, WebSocket Server Settings, tick `Enable WebSocket server`, apply"
_MICROPHONES = ("wasapi_input_capture", "coreaudio_input_capture", "pulse_input_capture", "alsa_input_capture",
                "jack_output_capture", "sndio_output_capture")  # fmt: skip
_LOWEST_MS, _HIGHEST_MS = -950, 20000  # of SetInputAudioSyncOffset
_STEP_MS = 10.0  # smaller changes are left alone: OBS drops or repeats sound at each
_TIMEOUT_S = 3.0
_RETRY_S = 5.0

Connect = Callable[[str, int, str], Any]


class ObsSync:
    """Sets one input's sync offset and puts the old one back at the end; calls OBS from a thread of its own.

    `address` is `ws://host:port`; `microphone` a name, or empty for the only one. Raises `OutputError` when OBS cannot
    be reached at the start; a connection that is lost later is tried again.
    """

    def __init__(self, address: str, password: str, microphone: str, extra_ms: float, notices: Notices,
                 connect: Connect | None = None) -> None:  # fmt: skip
        parts = urlsplit(address)
        if parts.scheme != "ws" or not parts.hostname:
            raise OutputError(f"--obs {address}", "this is no address of an OBS", "Use e.g. --obs ws://127.0.0.1:4455")
        self._host, self._port = parts.hostname, parts.port or 4455
        self._password = password or os.environ.get(PASSWORD_VARIABLE, "")
        self._extra_ms, self._notices = extra_ms, notices
        self._connect = connect or _connect
        self._client: Any = self._connect(self._host, self._port, self._password)
        self.microphone = _find_microphone(self._client, microphone)
        self._before_ms = int(self._client.get_input_audio_sync_offset(self.microphone).input_audio_sync_offset)
        self._set_ms = self._before_ms
        self._wanted_ms: float | None = None
        self._news, self._stop = threading.Event(), threading.Event()
        self._lost_said = False
        self._thread = threading.Thread(target=self._run, name="obs", daemon=True)
        self._thread.start()

    @property
    def figures(self) -> dict[str, Any]:
        """What is set at present."""
        return {"microphone": self.microphone, "sync_offset_ms": self._set_ms}

    def follow(self, lag_ms: float) -> None:
        """Ask for the offset that fits a picture `lag_ms` behind the driver; returns at once."""
        self._wanted_ms = lag_ms + self._extra_ms
        self._news.set()

    def close(self) -> None:
        """Put the offset back and leave."""
        self._stop.set()
        self._news.set()
        self._thread.join(2 * _TIMEOUT_S)

    def _run(self) -> None:
        """Do what `follow` asks for, newest wish first."""
        while not self._stop.is_set():
            self._news.wait()
            self._news.clear()
            wanted = self._wanted_ms
            if wanted is not None and not self._stop.is_set() and abs(wanted - self._set_ms) >= _STEP_MS:
                self._set(wanted)
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.set_input_audio_sync_offset(self.microphone, self._before_ms)
                self._client.disconnect()

    def _set(self, offset_ms: float) -> None:
        """Set the offset; a lost connection is said once and tried again later."""
        offset = round(min(max(offset_ms, _LOWEST_MS), _HIGHEST_MS))
        try:
            if self._client is None:
                self._client = self._connect(self._host, self._port, self._password)
            self._client.set_input_audio_sync_offset(self.microphone, offset)
            self._set_ms, self._lost_said = offset, False
        except Exception as error:
            logging.getLogger("faceanime.obs").debug("obs", exc_info=True)
            self._client = None
            if not self._lost_said and not self._stop.is_set():
                self._lost_said = True
                words = str(error) or type(error).__name__
                self._notices(Notice("warning", f"OBS does not answer ({words}); its microphone keeps the delay it "
                                     "has. Trying again"))  # fmt: skip
            self._stop.wait(_RETRY_S)


def follow_lag(config: Config, meter: Meter, notices: Notices) -> ObsSync | None:
    """Reach the OBS of `--obs`, if any, and let its microphone follow the lag that `meter` measures."""
    if config.pace != "live" or not config.obs:
        return None
    sync = ObsSync(config.obs, config.obs_password, config.obs_mic, config.obs_extra, notices)
    meter.gauge("obs", lambda: sync.figures)
    meter.on_tick(lambda: sync.follow(meter.lag_ms))
    notices(Notice("note", f"OBS: sync offset of `{sync.microphone}` follows the picture"))
    return sync


def _connect(host: str, port: int, password: str) -> Any:
    """Return a client of obsws-python; raises `OutputError`."""
    try:
        import obsws_python
    except ImportError:
        raise OutputError("--obs", "the package obsws-python is not installed", _PIP_LINE) from None
    logging.getLogger("obsws_python").setLevel(logging.CRITICAL)  # it logs what it raises, with a traceback
    try:
        return obsws_python.ReqClient(host=host, port=port, password=password, timeout=_TIMEOUT_S)
    except OSError as error:
        words = error.strerror or type(error).__name__
        raise OutputError(f"--obs ws://{host}:{port}", f"no OBS answers ({words})", _SERVER_HINT) from None
    except Exception as error:
        raise OutputError(f"--obs ws://{host}:{port}", f"OBS refuses ({error})", "Give the password that OBS shows "
                          f"under WebSocket Server Settings, Show Connect Info: {PASSWORD_VARIABLE}=... or "
                          "--obs-password") from None  # fmt: skip


def _find_microphone(client: Any, wanted: str) -> str:
    """Return the input's name: the wanted one, else the only microphone; raises `OutputError`."""
    inputs = {str(one["inputName"]): str(one["unversionedInputKind"]) for one in client.get_input_list().inputs}
    names = [name for name, kind in inputs.items() if kind in _MICROPHONES]
    if wanted:
        if wanted in inputs:
            return wanted
        raise OutputError(f"--obs-mic {wanted}", f"OBS has no such input; it has {', '.join(inputs) or 'none'}",
                          "Give one of these names")  # fmt: skip
    if len(names) == 1:
        return names[0]
    if not names:
        raise OutputError("--obs", "OBS has no microphone", "In OBS add an `Audio Input Capture`, or name an input "
                          "with --obs-mic NAME")  # fmt: skip
    raise OutputError("--obs", f"OBS has several microphones: {', '.join(names)}", f'Add --obs-mic "{names[0]}"')
