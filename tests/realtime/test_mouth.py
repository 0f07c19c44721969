"""`--mouth`: a voice moves the lips of idle motion, in the engine, from a file and from a (fake) microphone."""

from __future__ import annotations

import sys
import threading
import types
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import Collector, FakeDriver, FakePuppet, FakeTracker, Said, assembler, params
from fakes import stages as fake_stages
from test_audio_session import FakeSound, stamped

from models.face import UNIT, FaceParams
from models.training.synthetic_voice import RATE, Speaker, sound
from realtime.audio.devices import AudioError
from realtime.audio.mouth import mouth_of_file, read_sound
from realtime.audio.session import RATE as DEVICE_RATE
from realtime.cli import parse
from realtime.clock import NS_PER_MS, NS_PER_S
from realtime.config import Config
from realtime.errors import ConfigError
from realtime.pipeline import run

JAW, PUCKER = UNIT["jawOpen"], UNIT["mouthPucker"]


class Chatter:
    """Idle motion that talks by itself and turns its head: the talk must go, the turn must stay."""

    def params_at(self, t_ns: int) -> FaceParams:
        return params(0.4, 5.0)


def speech(path: Path) -> Path:
    """Write a second of silence, an ah, a pause, an oo, and silence."""
    rng, speaker = np.random.default_rng(0), Speaker()
    rest = [1e-4 * rng.normal(size=int(RATE * s)) for s in (1.0, 0.5, 0.5)]
    samples = np.concatenate([rest[0], sound("a", 0.5, speaker, rng), rest[1], sound("u", 0.5, speaker, rng), rest[2]])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
    return path


def shown(puppet: FakePuppet, unit: int) -> np.ndarray:
    return np.array([p.expression[unit] for p in puppet.rendered[1:]])  # the first one is the warm-up


def test_a_file_moves_the_lips_and_nothing_else(tmp_path: Path) -> None:
    out, puppet = Collector(), FakePuppet()
    made = fake_stages(puppet=puppet)
    made = types.SimpleNamespace(**{**made.__dict__, "imagine": Chatter(), "close": lambda: None})  # type: ignore[assignment]
    path = speech(tmp_path / "speech.wav")
    run(Config(driver="imagine", pace="offline", seconds=3.0, mouth=str(path)), outputs=[out], assemble=assembler(made))
    jaw, pucker = shown(puppet, JAW), shown(puppet, PUCKER)
    assert len(jaw) == 90
    assert jaw[:29].max() < 0.02  # the chatter is gone
    assert jaw[34:44].mean() > 0.3
    assert jaw[50:58].max() < 0.1
    assert pucker[64:74].mean() > 0.3 > 3 * pucker[34:44].mean()
    assert jaw[80:].max() < 0.02
    assert all(p.translation[0] == 5.0 for p in puppet.rendered[1:])
    assert out.stream is not None
    assert out.stream.audio == path  # and a video gets the sound


def test_lips_follow_the_voice_while_no_face_is_seen_and_ease_in_and_out(tmp_path: Path) -> None:
    puppet = FakePuppet()
    frames = [np.zeros((8, 8, 3), np.uint8)] * 90
    tracker = FakeTracker(lambda i: None if 20 <= i < 60 else params(0.0))
    run(Config(pace="offline", neutral="first", mouth=str(speech(tmp_path / "s.wav"))), driver=FakeDriver(frames),
        outputs=[Collector()], assemble=assembler(fake_stages(tracker, puppet)))  # fmt: skip
    jaw = shown(puppet, JAW)
    assert jaw[:20].max() < 1e-6
    assert jaw[35:44].mean() > 0.25  # the ah, while the face is away
    assert jaw[75:].max() < 1e-6  # the face is back: its own mouth counts
    assert np.abs(np.diff(jaw[50:80])).max() < 0.15  # coming back is no jump


def test_a_microphone_moves_the_lips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake, puppet, said = FakeSound(), FakePuppet(), Said()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    samples, stop = read_sound(speech(tmp_path / "s.wav")), threading.Event()

    def portaudio() -> None:
        """Hand the speech over in real time, again and again."""
        import time

        while not fake.streams and not stop.wait(0.01):
            pass
        start, sent = time.monotonic(), 0
        while not stop.wait(0.01):
            while sent < (time.monotonic() - start) * DEVICE_RATE:
                at = sent % (len(samples) - 480)
                block = samples[at : at + 480, None].astype(np.float32)
                fake.streams[0].options["callback"](block, 480, stamped(0.0), None)
                sent += 480

    player = threading.Thread(target=portaudio, daemon=True)
    player.start()
    report = run(Config(driver="imagine", seconds=3.5, mouth="mic"), outputs=[Collector()], notices=said,
                 assemble=assembler(fake_stages(puppet=puppet)))  # fmt: skip
    stop.set()
    player.join(2)
    assert shown(puppet, JAW).max() > 0.25
    assert shown(puppet, PUCKER).max() > 0.25
    assert np.median(shown(puppet, JAW)) < 0.1
    assert report["audio"]["output"] is None
    assert "moves the mouth" in said.text
    assert [s.options["channels"] for s in fake.streams] == [1]
    assert fake.streams[0].state == "closed"


def test_sound_files_of_any_kind_are_read(tmp_path: Path) -> None:
    wav = speech(tmp_path / "s.wav")
    flac = tmp_path / "s.flac"
    with av.open(str(flac), "w") as container:
        stream = container.add_stream("flac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100 * 2), np.int16), "s16", "stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(read_sound(wav)) == pytest.approx(3.0 * DEVICE_RATE, abs=100)
    assert len(read_sound(flac)) == pytest.approx(DEVICE_RATE, abs=100)
    text = tmp_path / "t.wav"
    text.write_text("no sound")
    for bad, why in ((tmp_path / "none.wav", "no such file"), (text, "cannot be read")):
        with pytest.raises(AudioError, match=why):
            mouth_of_file(bad)
    with pytest.raises(ConfigError, match="no microphone"):
        parse(["--mouth", "mic", "--pace", "offline", "--driver", "imagine", "--seconds", "2"])


def test_listening_is_cheap_and_survives_a_pause(tmp_path: Path) -> None:
    import time

    mouth = mouth_of_file(speech(tmp_path / "s.wav"))
    mouth.listen(0)
    start = time.thread_time()
    for i in range(60):
        mouth.listen(i * 33 * NS_PER_MS)
    assert (time.thread_time() - start) / 60 < 0.01  # a few hops each; well below a millisecond
    mouth.listen(100 * NS_PER_S)  # long after the end
    assert mouth.speak(params()).expression[JAW] < 0.02
