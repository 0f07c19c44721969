"""The sound session on a fake PortAudio, the lag meter, devices and flags."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from fakes import Collector, FakePredictor, FakeTracker, Said, assembler
from fakes import params as fake_params
from fakes import stages as fake_stages

from realtime.audio.devices import AudioError, SoundDevice, find_device, list_devices, why_unusable
from realtime.audio.session import RATE, AudioSession
from realtime.capture.base import Pictures
from realtime.cli import parse
from realtime.clock import NS_PER_MS, NS_PER_S, FakeClock
from realtime.config import Config
from realtime.errors import ConfigError
from realtime.lag import Lag
from realtime.pipeline import Engine

DEVICES = [SoundDevice(0, "Webcam mic", 1, 0, 48e3), SoundDevice(1, "Headset", 1, 2, 48e3),
           SoundDevice(2, "CABLE Input", 0, 2, 48e3), SoundDevice(3, "CABLE Input 16ch", 0, 16, 48e3)]  # fmt: skip


class FakeSound:
    """The part of sounddevice that the session uses; the test plays PortAudio's thread."""

    def __init__(self, fail: str = "") -> None:
        self.streams: list[Any] = []
        outer = self
        self.default = types.SimpleNamespace(device=(0, 1))

        class Stream:
            kind = ""

            def __init__(self, **options: Any) -> None:
                if fail == self.kind:
                    raise RuntimeError("Device unavailable")
                self.options, self.state = options, "open"
                outer.streams.append(self)

            def start(self) -> None:
                self.state = "running"

            def abort(self) -> None:
                self.state = "stopped"

            def close(self) -> None:
                self.state = "closed"

        self.InputStream = type("InputStream", (Stream,), {"kind": "input"})
        self.OutputStream = type("OutputStream", (Stream,), {"kind": "output"})

    def query_devices(self) -> list[dict[str, Any]]:
        return [{"name": d.name, "max_input_channels": d.inputs, "max_output_channels": d.outputs,
                 "default_samplerate": d.rate} for d in DEVICES]  # fmt: skip


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = FakeSound()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def times(**seconds: float) -> types.SimpleNamespace:
    return types.SimpleNamespace(inputBufferAdcTime=0.0, outputBufferDacTime=0.0, currentTime=0.0, **seconds)


def stamped(current: float, *, adc: float = 0.0, dac: float = 0.0) -> types.SimpleNamespace:
    return types.SimpleNamespace(inputBufferAdcTime=adc, outputBufferDacTime=dac, currentTime=current)


def test_devices_are_found_by_number_and_name() -> None:
    assert find_device("1", "input", DEVICES).name == "Headset"
    assert find_device("webcam", "input", DEVICES).index == 0
    assert find_device("cable input", "output", DEVICES).index == 2  # the whole name wins
    assert find_device("16ch", "output", DEVICES).index == 3
    with pytest.raises(AudioError, match="may mean"):
        find_device("cable", "output", DEVICES)
    with pytest.raises(AudioError, match="no such sound input; there are: 0"):
        find_device("2", "input", DEVICES)
    with pytest.raises(AudioError, match="has no sound output"):
        find_device("2", "output", DEVICES[:1])


def test_missing_package_and_library_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="pip install sounddevice"):
        list_devices()
    assert "libportaudio2" in str(why_unusable())


@pytest.mark.parametrize(("flags", "error"), [
    (["--audio-delay", "9000"], "outside 0..3000"), (["--audio-delay", "soon"], "audio-delay"),
    (["--audio-out", "1", "--pace", "offline", "--driver", "a.mp4"], "offline"),
])  # fmt: skip
def test_flags_that_make_no_sense(flags: list[str], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        parse(flags)
    assert parse(["--audio-delay", "80"]).audio_delay == 80.0
    assert parse(["--audio-delay", "off"]).audio_delay == "off"


def play(session: AudioSession, sound: FakeSound, clock: FakeClock, seconds: float) -> np.ndarray:
    """Ten milliseconds at a time; the input is a ramp of its own time (s), the output sounds 30 ms later."""
    heard = []
    callbacks = [stream.options["callback"] for stream in sound.streams]
    for _ in range(int(seconds * 100)):
        now = clock.advance(10 * NS_PER_MS) / NS_PER_S
        ramp = (now - 0.01 + np.arange(480) / RATE).astype(np.float32)
        callbacks[0](ramp[:, None], 480, stamped(500 + now, adc=500 + now - 0.01), None)
        block = np.empty((480, 2), np.float32)
        callbacks[1](block, 480, stamped(500 + now, dac=500 + now + 0.03), None)
        assert np.array_equal(block[:, 0], block[:, 1])
        heard.append((now + 0.03) - block[0, 0])
    return np.array(heard)


def test_a_fixed_delay_is_kept_and_reported(sound: FakeSound) -> None:
    clock, said = FakeClock(NS_PER_S), Said()
    session = AudioSession("webcam", "cable input", 90.0, clock, said, sound)
    assert [s.options["device"] for s in sound.streams] == [0, 2]
    late = play(session, sound, clock, 3)
    assert np.abs(late[100:] - 0.09).max() < 5e-4
    figures = session.figures
    assert figures["delay_ms"] == pytest.approx(90, abs=0.5)
    assert figures["least_ms"] < 60
    assert (figures["xruns"], figures["starved"], figures["jumps"]) == (0, 0, 0)
    session.close()
    assert [s.state for s in sound.streams] == ["closed", "closed"]


def test_auto_follows_the_lag_with_some_calm(sound: FakeSound) -> None:
    clock = FakeClock(NS_PER_S)
    session = AudioSession("", "headset", "auto", clock, Said(), sound)
    session.follow(100.0)
    play(session, sound, clock, 2)
    session.follow(103.0)  # too little to move for
    assert session.figures["target_ms"] == 100
    session.follow(140.0)
    late = play(session, sound, clock, 8)
    assert late[-1] == pytest.approx(0.14, abs=1e-3)
    assert np.abs(np.diff(late)).max() < 2e-4  # no step: 1 % of 10 ms
    session.follow(None)
    assert session.figures["target_ms"] == 140
    session.close()


def test_xruns_are_counted_and_dead_devices_told_once(sound: FakeSound) -> None:
    clock, said = FakeClock(NS_PER_S), Said()
    session = AudioSession("0", "1", "auto", clock, said, sound)
    status = types.SimpleNamespace(input_overflow=True, output_underflow=False)
    sound.streams[0].options["callback"](np.zeros((480, 1), np.float32), 480, stamped(1.0), status)
    assert session.figures["xruns_by_kind"]["input_overflow"] == 1
    clock.advance(3 * NS_PER_S)
    session.follow(50.0)
    session.follow(50.0)
    assert said.text.count("gives no sound") == 1
    assert said.text.count("has stopped") == 1
    session.close()


def test_an_output_that_runs_dry_says_what_to_try(sound: FakeSound) -> None:
    clock, said = FakeClock(NS_PER_S), Said()
    session = AudioSession("0", "1", 80.0, clock, said, sound, buffer_ms=40.0)
    assert [s.options["latency"] for s in sound.streams] == [0.04, 0.04]
    dry = types.SimpleNamespace(output_underflow=True)
    for _ in range(8):
        sound.streams[-1].options["callback"](np.zeros((480, 2), np.float32), 480, stamped(1.0, dac=1.03), dry)
        session.follow(None)
    assert said.text.count("--audio-buffer 80") == 1
    session.close()


def test_a_device_that_refuses_is_named_and_the_other_closed() -> None:
    sound = FakeSound(fail="output")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sounddevice", sound)
        with pytest.raises(AudioError, match="--audio-out Headset: it cannot be opened"):
            AudioSession("0", "1", "auto", FakeClock(), Said(), sound)
    assert sound.streams[0].state == "closed"


@pytest.mark.parametrize("lag_ms", [-20.0, 0.0, 33.0, 120.0])
def test_the_lag_is_read_off_the_motion(lag_ms: float) -> None:
    lag, rng = Lag(), np.random.default_rng(0)
    assert lag.ms is None
    knots = rng.uniform(0, 1, 60)

    def jaw(t_ms: float) -> float:
        return float(np.interp(t_ms / 150, np.arange(60), knots))

    for i in range(180):
        t = i * 33.3
        lag.made(int(t * NS_PER_MS), fake_params(jaw(t)))
        shown = t + 7
        lag.shown(int(shown * NS_PER_MS), fake_params(jaw(shown - lag_ms)))
    lag.update()
    assert lag.ms == pytest.approx(lag_ms, abs=3)


def test_a_still_face_has_no_lag() -> None:
    lag = Lag()
    for i in range(200):
        lag.made(i * 33 * NS_PER_MS, fake_params(0.3))
        lag.shown(i * 33 * NS_PER_MS, fake_params(0.3))
    lag.update()
    assert lag.ms is None


def test_the_engine_measures_its_lag_and_opens_the_sound(sound: FakeSound) -> None:
    """A tracker that takes 60 ms and a predictor that holds: the lag is the latency, and the delay follows it."""
    rng = np.random.default_rng(1)
    jaws = np.clip(np.convolve(rng.uniform(-1, 2, 400), np.ones(6) / 6, "same"), 0, 1)
    pictures = (np.full((24, 32, 3), int(255 * j), np.uint8) for j in jaws)
    engine = Engine(Config(neutral="first", seconds=6.3, lookahead=0.0, audio_in="0", audio_out="2"),
                    driver=Pictures(pictures, 15), outputs=[Collector()],
                    assemble=assembler(fake_stages(FakeTracker(delay_s=0.05), predictor=FakePredictor())))  # fmt: skip
    report = engine.run()
    assert report["apparent_lag_ms"] == pytest.approx(report["latency_ms"]["p50"], abs=20)
    assert report["audio"]["target_ms"] == pytest.approx(report["apparent_lag_ms"], abs=15)
    assert [s.state for s in sound.streams] == ["closed", "closed"]


def test_without_an_output_named_nothing_is_opened(sound: FakeSound) -> None:
    for config in (Config(seconds=0.3, driver="imagine"), Config(seconds=0.3, audio_out="1", audio_delay="off")):
        report = Engine(config, driver=Pictures([np.zeros((8, 8, 3), np.uint8)] * 5), outputs=[Collector()],
                        assemble=assembler(fake_stages())).run()  # fmt: skip
        assert "audio" not in report
    assert not sound.streams
