"""Files, cameras and words after --driver, good and bad."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import Said

from realtime.capture.base import Paced, Pictures, limited
from realtime.capture.camera import CameraDriver
from realtime.capture.choose import Choice, check_pace, choose_driver, open_driver
from realtime.capture.clip import ClipDriver
from realtime.clock import NS_PER_S, FakeClock
from realtime.config import Config
from realtime.errors import DriverError
from realtime.types import U8, Frame


def write_clip(
    path: Path,
    count: int = 30,
    fps: int = 30,
    size: tuple[int, int] = (64, 48),
    times: list[int] | None = None,
    codec: str = "libx264",
) -> Path:
    """Write frames whose brightness counts; `times` are presentation times in ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "12", "g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(count):
            rgb = np.full((size[1], size[0], 3), (20 + i * 6) % 256, np.uint8)
            rgb[: size[1] // 4, : size[0] // 4] = (255, 0, 0)  # top left is red
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
            if times is not None:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(driver: ClipDriver) -> list[Frame]:
    return [item for item in driver if isinstance(item, Frame)]


def test_every_frame_comes_in_order_with_its_time(tmp_path: Path) -> None:
    driver = ClipDriver(write_clip(tmp_path / "a.mp4", 30, 25), 1280)
    got = frames(driver)
    assert driver.fps == 25
    assert driver.audio is None
    assert [f.seq for f in got] == list(range(30))
    assert np.allclose([f.captured_ns / NS_PER_S for f in got], np.arange(30) / 25, atol=1e-3)
    means = [float(f.rgb[30:, 30:].mean()) for f in got]
    assert np.allclose(means, 20 + 6 * np.arange(30), atol=3)
    assert got[0].rgb.flags.c_contiguous


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 33, 66, 200, 233, 500, 900, 933]
    got = frames(ClipDriver(write_clip(tmp_path / "v.mp4", len(times), times=times), 1280))
    assert np.allclose([f.captured_ns / 1e6 for f in got], times, atol=2)


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    got = frames(ClipDriver(write_clip(tmp_path / "l.mp4", 2, size=(320, 160)), 160))
    assert got[0].rgb.shape == (80, 160, 3)


def test_phone_rotation_is_undone(tmp_path: Path) -> None:
    plain, turned = write_clip(tmp_path / "p.mp4", 3), tmp_path / "t.mp4"
    data = bytearray(plain.read_bytes())
    # The track header's matrix: identity -> a quarter turn, as phones write it.
    at = data.find(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8
    matrix = np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 0x40000000], ">i4")
    identity = np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000], ">i4").tobytes()
    assert bytes(data[at : at + 36]) == identity
    data[at : at + 36] = matrix.tobytes()
    turned.write_bytes(bytes(data))
    rgb = frames(ClipDriver(turned, 1280))[0].rgb
    assert rgb.shape == (64, 48, 3)
    assert rgb[4, -4, 0] > 200  # a quarter turn clockwise: what was top left is top right
    assert rgb[4, -4, 1] < 60


def test_damaged_middle_is_skipped_and_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "d.mp4", 60)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat")
    middle = start + (len(data) - start) // 3
    data[middle : middle + 400] = bytes([255]) * 400
    path.write_bytes(bytes(data))
    said = Said()
    got = frames(ClipDriver(path, 1280, said))
    assert 20 <= len(got) < 60
    assert "damaged parts were skipped" in said.text
    assert got[-1].captured_ns / NS_PER_S == pytest.approx(59 / 30, abs=0.02)


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "text", "truncated", "sound only"])
def test_unusable_files_say_what_to_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("no video at all " * 99)
    elif kind == "truncated":
        path.write_bytes(write_clip(tmp_path / "whole.mp4").read_bytes()[:600])
    elif kind == "sound only":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    with pytest.raises(DriverError) as caught:
        frames(ClipDriver(path, 1280))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


class Unplugged:
    """A camera that gives five frames, then is gone."""

    def __init__(self) -> None:
        self.left, self.released = 5, False

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> U8 | None:
        return np.zeros((4, 4, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def test_missing_camera_names_what_there_is() -> None:
    with pytest.raises(DriverError, match=r"camera 7: it cannot be opened; cameras found: .*devices"):
        CameraDriver(7, Config(), FakeClock(), Said(), lambda *_: None)


def test_unplugged_camera_comes_back() -> None:
    opened: list[Unplugged | None] = []

    def opener(*_: object) -> Unplugged | None:
        opened.append(None if len(opened) in (1, 2) else Unplugged())
        return opened[-1]

    said = Said()
    driver = CameraDriver(0, Config(), FakeClock(), said, opener)
    got = []
    for item in driver:
        got.append(item)
        if len(got) == 8:
            driver.close()
    assert len(got) == 8
    assert opened[0] is not None
    assert opened[0].released
    assert "is gone" in said.text
    assert "is back" in said.text


def test_unplugged_camera_that_stays_away_ends_the_run() -> None:
    first: list[Unplugged] = []

    def opener(*_: object) -> Unplugged | None:
        if first:
            return None
        first.append(Unplugged())
        return first[0]

    with pytest.raises(DriverError, match="lost and stayed away"):
        list(CameraDriver(0, Config(camera_wait_s=3), FakeClock(), Said(), opener))


def test_slow_camera_is_said() -> None:
    clock, said = FakeClock(), Said()

    class Slow(Unplugged):
        def grab(self) -> bool:
            clock.advance(NS_PER_S // 15)
            return True

    driver = CameraDriver(0, Config(), clock, said, lambda *_: Slow())
    for item in driver:
        if item.seq > 60:
            driver.close()
    assert "15 frames a second, not 30" in said.text


def test_paced_frames_come_on_the_clock() -> None:
    import threading

    clock = FakeClock(7 * NS_PER_S)
    paced = Paced(Pictures([np.zeros((2, 2, 3), np.uint8)] * 4, fps=10), clock, threading.Event())
    assert [f.captured_ns / NS_PER_S for f in paced] == pytest.approx([7.0, 7.1, 7.2, 7.3])
    assert len(list(limited(Pictures([np.zeros((2, 2, 3), np.uint8)] * 40, fps=10), 1.0))) == 10


def test_words_mean_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    kinds = {word: choose_driver(Config(driver=word), said).kind for word in ("3", "imagine", "rtsp://x/y", "a.mp4")}
    assert kinds == {"3": "camera", "imagine": "imagine", "rtsp://x/y": "stream", "a.mp4": "clip"}
    monkeypatch.setattr("realtime.capture.choose.list_cameras", list)
    assert choose_driver(Config(), said) == Choice("imagine")
    monkeypatch.setattr("realtime.capture.choose.list_cameras", lambda: [(2, "Desk Cam")])
    assert choose_driver(Config(), said) == Choice("camera", "2")
    assert "no camera was found" in said[0].text
    assert "camera 2 (Desk Cam)" in said[1].text


def test_pace_that_cannot_be_is_refused() -> None:
    with pytest.raises(DriverError, match="needs a driver that can wait"):
        check_pace(Choice("camera", "0"), Config(pace="offline", driver="0"))
    with pytest.raises(DriverError, match="--seconds 10"):
        check_pace(Choice("imagine"), Config(pace="offline", driver="imagine"))
    check_pace(Choice("imagine"), Config(pace="offline", driver="imagine", seconds=1.0))


def test_dead_stream_address_is_one_line() -> None:
    with pytest.raises(DriverError, match="cannot be read as video") as caught:
        open_driver(Choice("stream", "http://127.0.0.1:9/none.mjpg"), Config(), FakeClock(), Said())
    assert "\n" not in str(caught.value)
