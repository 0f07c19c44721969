"""Files, page, stream, virtual camera, canvas: what arrives, and what is said when nothing can."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from fakes import Said

from realtime.backdrop import GREEN
from realtime.clock import NS_PER_S, FakeClock
from realtime.config import Config
from realtime.curtain import Curtain
from realtime.errors import OutputError
from realtime.outputs.alpha import stacked, straight
from realtime.outputs.base import Stream
from realtime.outputs.canvas import Canvas
from realtime.outputs.choose import choose_outputs
from realtime.outputs.loopback import Fixed, Loopback, find_loopbacks
from realtime.outputs.null import NullOutput
from realtime.outputs.staged import Staged
from realtime.outputs.udp import UdpOutput
from realtime.outputs.vcam import VcamOutput, _packed
from realtime.outputs.video import VideoOutput
from realtime.preview.server import PreviewOutput
from realtime.types import Composite

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (200, 150, 120),
    (90, 60, 40),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
]


def bars(width: int = 128, height: int = 96) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    for i, colour in enumerate(COLOURS):
        rgb[:, i * width // 8 : (i + 1) * width // 8] = colour
    return rgb


def composite(rgb: np.ndarray, seq: int = 0, at_ns: int = 0) -> Composite:
    return Composite(seq, at_ns, rgb, at_ns)


def write(
    path: Path,
    count: int = 25,
    fps: Fraction = Fraction(25),
    rgb: np.ndarray | None = None,
    said: Said | None = None,
    audio: Path | None = None,
    times: list[float] | None = None,
) -> Path:
    rgb = bars() if rgb is None else rgb
    out = VideoOutput(path, Config(), said if said is not None else Said())
    out.open(Stream(rgb.shape[1], rgb.shape[0], fps, FakeClock(), stamped=True, audio=audio))
    for i in range(count):
        at = times[i] if times else float(i / fps)
        out.send(composite(rgb, i, int(at * NS_PER_S)))
    out.close(True)
    return path


def read(path: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(path))
    frames, fps = [], capture.get(cv2.CAP_PROP_FPS)
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames, fps
        frames.append(frame[..., ::-1])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(15)])
def test_file_has_all_frames_rate_duration_and_colours(tmp_path: Path, fps: Fraction, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 50, fps)
    frames, rate = read(path)
    assert len(frames) == 50
    assert rate == pytest.approx(float(fps), rel=1e-4)
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(50 / float(fps), abs=0.045)
        decoded = next(container.decode(video=0))
        assert decoded.to_ndarray(format="rgb24")[48, 8].tolist() == pytest.approx([255, 0, 0], abs=6)
    for i, colour in enumerate(COLOURS):
        assert frames[25][48, i * 16 + 8].tolist() == pytest.approx(colour, abs=6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_irregular_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.4]
    with av.open(str(write(tmp_path / "v.mp4", 5, times=times))) as container:
        assert [float(f.time) for f in container.decode(video=0)] == pytest.approx(times, abs=0.002)


def test_odd_sides_get_a_doubled_line(tmp_path: Path) -> None:
    said, rgb = Said(), bars(129, 97)
    frames, _ = read(write(tmp_path / "o.mp4", 3, rgb=rgb, said=said))
    assert frames[0].shape == (98, 130, 3)
    assert "129x97 became 130x98" in said.text
    assert np.abs(frames[0][:97, :129].astype(int) - rgb).mean() < 4


def test_sound_is_copied_in_step(tmp_path: Path) -> None:
    source = tmp_path / "s.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        for _ in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        for i in range(31):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, i * 1024
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    with av.open(str(write(tmp_path / "o.mp4", 50, audio=source))) as container:
        audio = container.streams.audio[0]
        assert audio.codec_context.name == "aac"
        assert float(audio.duration * audio.time_base) == pytest.approx(2.0, abs=0.1)
    with av.open(str(write(tmp_path / "half.mp4", 25, audio=source))) as container:
        audio = container.streams.audio[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(1.0, abs=0.1)


def test_live_file_keeps_real_time_through_a_gap(tmp_path: Path) -> None:
    clock, out = FakeClock(), VideoOutput(tmp_path / "l.mp4", Config(), Said())
    out.open(Stream(128, 96, Fraction(30), clock))
    for i in range(30):
        clock.advance(NS_PER_S if i == 15 else NS_PER_S // 30 + (-1) ** i * 9_000_000)
        out.send(composite(bars(), i))
    out.close(True)
    with av.open(str(tmp_path / "l.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(1 + 29 / 30, abs=0.07)


@pytest.mark.parametrize("case", ["exists", "folder missing", "is folder", "suffix", "read-only"])
def test_impossible_files_are_refused_before_work(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.mp4"
    if case == "exists":
        path.write_text("mine")
    elif case == "folder missing":
        path = tmp_path / "no" / "out.mp4"
    elif case == "is folder":
        path.mkdir()
    elif case == "suffix":
        path = tmp_path / "out.gif"
    else:
        monkeypatch.setattr("realtime.outputs.video.os.access", lambda *_: False)  # tests run as root
    with pytest.raises(OutputError) as caught:
        choose_outputs(Config(output=(str(path),)), Said(), NullOutput)
    hints = {"exists": "--overwrite", "folder missing": "mkdir -p", "is folder": "out.mp4", "suffix": ".mp4",
             "read-only": "you may write to"}  # fmt: skip
    assert hints[case] in caught.value.hint
    if case == "exists":
        assert path.read_text() == "mine"


def test_overwrite_replaces_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("mine")
    for complete in (False, True):
        out = VideoOutput(path, Config(overwrite=True), Said())
        out.open(Stream(128, 96, Fraction(25), FakeClock(), stamped=True))
        out.send(composite(bars()))
        out.close(complete)
        assert (path.read_bytes() == b"mine") is not complete
        assert len(list(tmp_path.iterdir())) == 1


def test_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    out = VideoOutput(tmp_path / "out.mp4", Config(), Said())
    out.open(Stream(128, 96, Fraction(25), FakeClock(), stamped=True))

    class Full:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def mux(self, packet: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.inner.close()

    out._container = Full(out._container)
    rng = np.random.default_rng(0)
    with pytest.raises(OutputError, match="the disk is full") as caught:  # noqa: PT012
        for i in range(200):
            out.send(composite(rng.integers(0, 255, (96, 128, 3), np.uint8), i, i * 40_000_000))
    assert "Free some space" in str(caught.value)
    out.close(False)
    assert not list(tmp_path.iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_taken_port_names_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port} cannot be used.*--port {port + 1}"):
            PreviewOutput(Config(port=port)).open(Stream(8, 8, Fraction(30), FakeClock()))


def test_udp_stream_can_be_decoded() -> None:
    port, got = free_port(), []

    def listen() -> None:
        with av.open(f"udp://127.0.0.1:{port}?timeout=8000000", format="mpegts", timeout=8) as container:
            for frame in container.decode(video=0):
                got.append(frame.to_ndarray(format="rgb24"))
                if len(got) >= 3:
                    return

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    out = UdpOutput(f"udp://127.0.0.1:{port}", Config())
    out.open(Stream(128, 96, Fraction(30), FakeClock()))
    for i in range(400):
        out.send(composite(bars(), i))
        reader.join(0.01)
        if not reader.is_alive():
            break
    out.close(True)
    reader.join(5)
    assert got
    assert got[0][48, 8].tolist() == pytest.approx([255, 0, 0], abs=12)


def test_udp_packets_say_their_length() -> None:
    """A picture whose packet has no length is held back by every reader until the next one begins."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader:
        reader.bind(("127.0.0.1", 0))
        reader.settimeout(5)
        out = UdpOutput(f"udp://127.0.0.1:{reader.getsockname()[1]}", Config())
        out.open(Stream(128, 96, Fraction(30), FakeClock()))
        lengths: list[int] = []
        for i in range(5):
            out.send(composite(bars(), i))
        out.close(True)
        reader.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while data := reader.recv(65536):
                for start in range(0, len(data), 188):
                    at = data.find(b"\0\0\1\xe0", start, start + 188)  # the header of a video packet
                    if at >= 0:
                        lengths.append(int.from_bytes(data[at + 4 : at + 6], "big"))
    assert len(lengths) == 5
    assert min(lengths) > 0


def test_vcam_without_package_or_device_names_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    stream = Stream(8, 8, Fraction(30), FakeClock())
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match="pip install pyvirtualcam"):
        VcamOutput(Config()).open(stream)

    class NoDevice:
        class PixelFormat:
            RGB = 1

        @staticmethod
        def Camera(*_: object, **__: object) -> None:  # noqa: N802
            raise RuntimeError("'v4l2loopback' backend: no device\n'obs' backend: no device")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", NoDevice)
    monkeypatch.setattr("realtime.outputs.vcam._PLATFORM", "darwin")  # Linux: tests/vm
    with pytest.raises(OutputError, match="v4l2loopback' backend: no device; 'obs'") as caught:
        VcamOutput(Config()).open(stream)
    assert "\n" not in str(caught.value)


def test_vcam_gets_its_own_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    sent: list[np.ndarray] = []

    class Camera:
        device = "/dev/video10"

        def __init__(self, width: int, height: int, fps: float, device: str | None, fmt: object) -> None:
            assert (width, height, fps, device) == (1280, 720, 30.0, None)

        def send(self, rgb: np.ndarray) -> None:
            sent.append(rgb)

        def close(self) -> None:
            sent.append(np.zeros(0))

    class Module:
        class PixelFormat:
            RGB = 1

    Module.Camera = Camera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", Module)
    monkeypatch.setattr("realtime.outputs.vcam._PLATFORM", "darwin")  # Linux: tests/vm
    out = VcamOutput(Config())
    out.open(Stream(128, 96, Fraction(30), FakeClock()))
    out.send(composite(bars()))
    out.close(True)
    assert sent[0].shape == (720, 1280, 3)
    assert sent[-1].size == 0


def loopback(folder: Path, number: int, label: str, form: str = "") -> None:
    node = folder / f"video{number}"
    node.mkdir(parents=True)
    for name, text in (("name", label), ("max_openers", "10"), ("format", form)):
        (node / name).write_text(text + "\n")


def test_loopback_devices_are_told_from_webcams(tmp_path: Path) -> None:
    loopback(tmp_path, 10, "Mine", "YUYV:640x360@30000/1001")
    loopback(tmp_path, 2, "FaceAnime")
    (tmp_path / "video0").mkdir()
    (tmp_path / "video0/name").write_text("HD Webcam\n")
    found = find_loopbacks(tmp_path, tmp_path / "dev")
    assert [(one.path, one.label, one.allowed) for one in found] == [
        (str(tmp_path / "dev/video2"), "FaceAnime", False), (str(tmp_path / "dev/video10"), "Mine", False)]  # fmt: skip
    assert found[0].fixed is None
    assert found[1].fixed == Fixed("YUYV", 640, 360)
    assert find_loopbacks(tmp_path / "none") == []


@pytest.mark.parametrize(("devices", "wanted", "why", "hint"), [
    ([], None, "v4l2loopback is not loaded", "modprobe v4l2loopback devices=1 exclusive_caps=1 max_buffers=4"),
    ([Loopback("/dev/video9", "A", allowed=False)], None, "you may not open /dev/video9", "usermod -aG video"),
    ([Loopback("/dev/video9", "A", taken=True)], None, "/dev/video9 is in use by another", "devices=2 exclusive"),
    ([Loopback("/dev/video9", "A")], "/dev/video8", "/dev/video8 is no virtual camera", "--output vcam:/dev/video9"),
])  # fmt: skip
def test_vcam_says_what_is_wrong_before_any_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, devices: list[Loopback], wanted: str | None, why: str, hint: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyvirtualcam", object())
    monkeypatch.setattr("realtime.outputs.vcam._PLATFORM", "linux")
    monkeypatch.setattr("realtime.outputs.loopback.find_loopbacks", lambda: devices)
    word = "vcam" if wanted is None else f"vcam:{wanted}"
    with pytest.raises(OutputError) as caught:
        choose_outputs(Config(output=(word,)), Said(), NullOutput)
    assert why in caught.value.why
    assert hint in caught.value.hint


@pytest.mark.parametrize(("pixels", "sizes"), [("nv12", (1.5,)), ("yuyv422", (2,)), ("uyvy422", (2,))])
def test_packed_formats_have_exact_colours(pixels: str, sizes: tuple[float]) -> None:
    rgb = np.zeros((48, 70, 3), np.uint8)  # a width whose rows FFmpeg pads
    rgb[:, 30:] = (200, 150, 120)
    data = _packed(rgb, pixels)
    assert data.size == 48 * 70 * sizes[0]
    luma = data[: 48 * 70] if pixels == "nv12" else data[int(pixels == "uyvy422") :: 2]
    assert luma.reshape(48, 70)[:, :28].tolist() == [[16] * 28] * 48
    assert np.abs(luma.reshape(48, 70)[:, 32:].astype(int) - 155).max() <= 1  # 16 + 219 * luma


def test_canvas_holds_the_whole_picture_and_a_still_surround() -> None:
    canvas = Canvas(1280, 720)
    first, second = canvas.place(bars(96, 128)), canvas.place(np.full((128, 96, 3), 255, np.uint8))
    assert first.shape == (720, 1280, 3)
    assert (second[:, 640 - 270 : 640 + 270] == 255).all()
    assert (first[:, :300] == second[:, :300]).all()
    assert second[:, :300].mean() < 160
    assert canvas.place(first) is first


def person(ground: tuple[int, int, int] = (0, 177, 64)) -> Composite:
    """A skin-coloured square with a soft edge, laid on a ground."""
    alpha = np.zeros((96, 128), np.uint8)
    alpha[24:72, 32:96] = 128
    alpha[28:68, 36:92] = 255
    a = alpha[..., None] / 255
    rgb = np.rint(a * np.array([200, 150, 120]) + (1 - a) * np.array(ground)).astype(np.uint8)
    return Composite(0, 0, rgb, 0, alpha=alpha, ground=ground)


def test_a_ground_to_be_keyed_goes_on_to_the_edge_of_the_canvas() -> None:
    canvas = Canvas(320, 180)
    out = canvas.place(person().rgb, 0, GREEN)
    assert (out[:, :30] == GREEN).all()
    assert (canvas.place(person().rgb)[:, :30] != GREEN).any()  # without one it is the picture's own blur, dimmed
    alpha = canvas.place_alpha(person().alpha)
    assert alpha.shape == (180, 320)
    assert not alpha[:, :30].any()
    assert alpha[90, 160] == 255


def test_straight_colours_know_nothing_of_the_ground() -> None:
    rgba = straight(person())
    alpha = rgba[..., 3]
    assert np.abs(rgba[alpha > 0][:, :3].astype(int) - (200, 150, 120)).max() <= 2
    assert not rgba[alpha == 0].any()
    assert (straight(composite(bars()))[..., 3] == 255).all()
    both = stacked(person())
    assert both.shape == (192, 128, 3)
    assert np.array_equal(both[96:, :, 1], alpha)


def test_the_card_hides_everything_also_where_the_person_was_clear() -> None:
    got: list[Composite] = []
    curtain = Curtain()
    staged = Staged(SimpleNamespace(send=got.append), (320, 180), curtain)  # type: ignore[arg-type]
    staged.send(person())
    curtain.draw(True)
    staged.send(person())
    assert got[0].alpha is not None
    assert got[0].alpha.shape == (180, 320)
    assert got[1].alpha is None


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_mov_keeps_opacity_and_the_others_say_that_they_cannot(tmp_path: Path, suffix: str) -> None:
    said, path = Said(), tmp_path / f"clear{suffix}"
    output = VideoOutput(path, Config(), said)
    output.open(Stream(128, 96, Fraction(25), FakeClock(), stamped=True, alpha=True))
    for seq in range(3):
        output.send(replace(person(), seq=seq, captured_ns=seq * 40_000_000))
    output.close(complete=True)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == ("prores" if suffix == ".mov" else "h264")
        frames = list(container.decode(video=0))
    assert len(frames) == 3
    rgba = frames[1].to_ndarray(format="rgba").astype(int)
    if suffix == ".mov":
        assert np.abs(rgba[..., 3] - person().alpha).max() <= 2
        assert np.abs(rgba[40:56, 50:80, :3] - (200, 150, 120)).max() <= 6
        assert "opacity" not in said.text
    else:
        assert np.abs(rgba[10, 10, :3] - GREEN).max() <= 6  # to be keyed
        assert "in .mov keeps it" in said.text


@pytest.mark.parametrize(("words", "hint"), [(("null", "null"), "Leave one out"), (("tcp://x:1",), "udp://"),
                                             (("udp://nohost",), "udp://127.0.0.1:9000")])  # fmt: skip
def test_words_that_name_no_output(words: tuple[str, ...], hint: str) -> None:
    with pytest.raises(OutputError) as caught:
        choose_outputs(Config(output=words), Said(), NullOutput)
    assert hint in caught.value.hint


def test_automatic_output_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for why, kind in ((None, VcamOutput), ("no v4l2loopback device", NullOutput)):
        said = Said()
        monkeypatch.setattr("realtime.outputs.choose.why_unusable", lambda why=why: why)
        assert isinstance(choose_outputs(Config(), said, NullOutput)[0], kind)
        assert (why or "virtual camera") in said.text
