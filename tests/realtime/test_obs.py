"""The microphone's offset in OBS: whose, how much, when not, and what happens when OBS goes away."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import Said

from realtime.errors import OutputError
from realtime.obs import ObsSync


class Obs:
    """A client that remembers."""

    def __init__(self, *inputs: tuple[str, str]) -> None:
        self.inputs = inputs or (("Screen", "xshm_input"), ("Mic", "pulse_input_capture"))
        self.set: list[tuple[str, int]] = []
        self.changed = threading.Event()
        self.gone = False

    def connect(self, host: str, port: int, password: str) -> Obs:
        assert (host, port, password) == ("10.0.0.5", 4455, "word")
        if self.gone:
            raise ConnectionRefusedError("refused")
        return self

    def get_input_list(self) -> Any:
        return SimpleNamespace(inputs=[{"inputName": n, "unversionedInputKind": k} for n, k in self.inputs])

    def get_input_audio_sync_offset(self, name: str) -> Any:
        return SimpleNamespace(input_audio_sync_offset=-40)

    def set_input_audio_sync_offset(self, name: str, offset: int) -> None:
        if self.gone:
            raise ConnectionResetError("reset")
        self.set.append((name, offset))
        self.changed.set()

    def disconnect(self) -> None:
        self.gone = True


def sync(obs: Obs, said: Said | None = None, extra: float = 50.0, microphone: str = "") -> ObsSync:
    return ObsSync("ws://10.0.0.5", "word", microphone, extra, Said() if said is None else said, obs.connect)


def follow(made: ObsSync, obs: Obs, lag: float) -> None:
    obs.changed.clear()
    made.follow(lag)
    assert obs.changed.wait(5)


def test_offset_follows_and_is_put_back() -> None:
    obs = Obs()
    made = sync(obs)
    follow(made, obs, 100.0)
    made.follow(104.0)  # too little to disturb the sound
    follow(made, obs, 131.4)
    follow(made, obs, 99999.0)
    assert made.figures == {"microphone": "Mic", "sync_offset_ms": 20000}
    follow(made, obs, -5000.0)
    made.close()
    assert obs.set == [("Mic", 150), ("Mic", 181), ("Mic", 20000), ("Mic", -950), ("Mic", -40)]
    assert obs.gone


def test_obs_that_goes_away_is_said_once_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.obs._RETRY_S", 0.01)
    obs, said = Obs(), Said()
    made = sync(obs, said)
    obs.gone = True
    for lag in (100.0, 120.0, 140.0):
        made.follow(lag)
        threading.Event().wait(0.05)
    assert said.text.count("OBS does not answer") == 1
    obs.gone = False
    follow(made, obs, 160.0)
    assert obs.set == [("Mic", 210)]
    made.close()


@pytest.mark.parametrize(("inputs", "microphone", "why", "hint"), [
    ((("Screen", "xshm_input"),), "", "OBS has no microphone", "--obs-mic NAME"),
    ((("A", "wasapi_input_capture"), ("B", "wasapi_input_capture")), "", "several microphones: A, B", '--obs-mic "A"'),
    ((("A", "wasapi_input_capture"),), "C", "it has A", "one of these"),
])  # fmt: skip
def test_microphone_that_is_not_plain(
    inputs: tuple[tuple[str, str], ...], microphone: str, why: str, hint: str
) -> None:
    with pytest.raises(OutputError) as caught:
        sync(Obs(*inputs), microphone=microphone)
    assert why in caught.value.why
    assert hint in caught.value.hint


def test_named_input_need_not_be_a_microphone() -> None:
    made = sync(Obs(("Desk", "pulse_output_capture")), microphone="Desk")
    assert made.microphone == "Desk"
    made.close()


@pytest.mark.parametrize("address", ["127.0.0.1:4455", "http://127.0.0.1", "ws://"])
def test_address_must_be_one(address: str) -> None:
    with pytest.raises(OutputError, match=r"--obs ws://127.0.0.1:4455"):
        ObsSync(address, "", "", 0.0, Said())


def test_missing_package_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "obsws_python", None)
    with pytest.raises(OutputError, match="pip install obsws-python"):
        ObsSync("ws://127.0.0.1:1", "", "", 0.0, Said())
