"""The virtual camera on a real v4l2loopback: what independent readers see. Times are those of an emulated machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pytest
from coded import coded, decode, unpack, worst_error
from guest import SHARE, load, note, sending, unload, wait_for

from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.canvas import Canvas
from realtime.outputs.loopback import find_loopbacks, read_format
from realtime.outputs.vcam import VcamOutput

ROOT = Path(__file__).resolve().parents[2]
FFMPEG_FORMATS = {"YU12": "yuv420p", "NV12": "nv12", "YUYV": "yuyv422", "UYVY": "uyvy422"}
BYTES = {"YU12": 1.5, "NV12": 1.5, "YUYV": 2, "UYVY": 2}  # of a pixel
WORDS = {"YU12": "auto", "NV12": "nv12", "YUYV": "yuyv", "UYVY": "uyvy"}
ROUNDING = 2  # libyuv and swscale calculate in integers


@pytest.fixture(autouse=True)
def _module() -> Iterator[None]:
    """Every test starts with fresh devices."""
    load()
    yield
    wait_for(lambda: unload().returncode == 0)


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[str, Any]]:
    """What was measured; written to the share at the end."""
    found: dict[str, Any] = {}
    yield found
    for name, figure in found.items():
        note(name, figure)


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := stream.read(size - len(data))):
        data += part
    return bytes(data)


def ffmpeg_read(device: str, count: int, size: int, *options: str) -> list[tuple[int, bytes]]:
    """Return `count` raw pictures that ffmpeg reads from `device`, each with its time of arrival, ns."""
    wait_for(lambda: read_format(device))
    # Copied, not decoded: ffmpeg would drop a picture whose time falls into the same thirtieth as the one before.
    command = ["ffmpeg", "-loglevel", "error", "-nostdin", "-fflags", "nobuffer", "-f", "v4l2", *options, "-i", device,
               "-c", "copy", "-f", "rawvideo", "-frames:v", str(count), "pipe:1"]  # fmt: skip
    got = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        timer = threading.Timer(60, process.kill)
        timer.start()
        while len(data := read_exactly(process.stdout, size)) == size:
            got.append((time.monotonic_ns(), data))
        timer.cancel()
    assert len(got) == count
    return got


def run_live(*flags: str) -> subprocess.Popen[str]:
    command = ["run_live.py", "--driver", "imagine", "--generator", "off", "--size", "256", *flags]
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (50, 95, 99)}


def test_sequence_rate_and_latency(figures: dict[str, Any]) -> None:
    """Every picture sent arrives at ffmpeg, in order, exact, at a steady 30 a second."""
    width, height, count, settled, pictures = 320, 180, 180, 10, 300
    with sending(width, height, pictures=pictures, canvas=(width, height)) as sent:
        # The first pictures may be missing: the module sorts its buffers anew when a reader comes.
        got = ffmpeg_read("/dev/video10", count + settled, width * height * 3 // 2)[settled:]
    numbers: list[int] = []
    worst = 0
    for at, data in got:
        shown = decode(unpack(data, "YU12", width, height)[0])
        assert shown is not None, "a torn picture"
        worst = max(worst, worst_error(data, "YU12", coded(shown, width, height)))
        # Pictures go round: the newest with this number that had left by then.
        numbers.append(max(seq for seq, start, _ in sent.log if seq % pictures == shown and start < at))
    steps = np.diff(numbers)
    lost = sorted({seq for seq, _, _ in sent.log if numbers[0] <= seq <= numbers[-1]} - set(numbers))
    left = {seq: start for seq, start, _ in reversed(sent.log)}  # first hand-over of each number
    handed = np.array([start for seq, start, _ in sent.log if numbers[0] <= seq <= numbers[-1]]) / 1e9
    arrived = np.array([at for at, _ in got]) / 1e9
    gaps = np.diff(arrived) * 1e3
    rate, sent_rate = ((len(times) - 1) / (times[-1] - times[0]) for times in (arrived, handed))
    latency = [
        (at - left[number]) / 1e6 for (at, _), number, step in zip(got[1:], numbers[1:], steps, strict=True) if step
    ]
    figures["ffmpeg_320x180"] = {
        "pictures": count, "worst_error": worst, "rate": round(rate, 2), "sent_rate": round(sent_rate, 2),
        "gap_ms": percentiles(list(gaps)), "send_to_read_ms": percentiles(latency),
        "send_ms": percentiles([(end - start) / 1e6 for _, start, end in sent.log]), "lost": len(lost),
        "repeated": int((steps == 0).sum()), "ticks_missed": sent.missed,
    }  # fmt: skip
    assert steps.min() >= 0, "out of order"
    assert not lost, f"sent, but never read: {lost} of {numbers}"
    assert worst <= ROUNDING
    assert rate == pytest.approx(sent_rate, rel=0.05)
    assert np.median(gaps) == pytest.approx(1000 / 30, rel=0.2)
    assert np.median(latency) < 250, "pictures queue up"  # generous: the emulated machine shares busy cores
    if not sent.missed:  # else the guest was starved: its sender did not get to run for whole ticks
        assert rate == pytest.approx(30, rel=0.03)


@pytest.mark.parametrize("fourcc", ["YU12", "NV12", "YUYV", "UYVY"])
def test_formats_arrive_exactly(fourcc: str, figures: dict[str, Any]) -> None:
    """The reader is told the format the engine chose, 1280x720 at 30, and gets every sample of it."""
    # No canvas is asked for: call apps get 1280x720 whatever the picture's size.
    with sending(1280, 720, vcam_format=WORDS[fourcc]) as sent:
        got = ffmpeg_read("/dev/video10", 3, int(1280 * 720 * BYTES[fourcc]), "-input_format", FFMPEG_FORMATS[fourcc])
        told = Path("/sys/class/video4linux/video10/format").read_text().strip()
    assert told == f"{fourcc}:1280x720@30"
    assert "1280x720" in sent.output.name
    worst = 0
    for _, data in got:
        number = decode(unpack(data, fourcc, 1280, 720)[0])
        assert number is not None
        worst = max(worst, worst_error(data, fourcc, coded(number, 1280, 720)))
    figures[f"format_{fourcc}"] = {"told": told, "worst_error": worst}
    assert worst <= ROUNDING


def test_opencv_reads_the_same(figures: dict[str, Any]) -> None:
    """OpenCV sees 1280x720 at 30 and the colours of the bars; the module is loaded as our pages say."""
    assert unload().returncode == 0
    load(buffers=4)
    with sending(1280, 720):
        wait_for(lambda: read_format("/dev/video10"))
        camera = cv2.VideoCapture("/dev/video10", cv2.CAP_V4L2)
        assert camera.isOpened()
        size = camera.get(cv2.CAP_PROP_FRAME_WIDTH), camera.get(cv2.CAP_PROP_FRAME_HEIGHT)
        fps = camera.get(cv2.CAP_PROP_FPS)
        numbers, worst = [], 0
        for _ in range(5):
            done, bgr = camera.read()
            assert done
            numbers.append(decode(bgr[..., 1]))
            expected = coded(numbers[-1] or 0, 1280, 720)[..., ::-1]
            worst = max(worst, int(np.abs(bgr[200:, 8::160].astype(int) - expected[200:, 8::160]).max()))
        camera.release()
    figures["opencv"] = {"size": size, "fps": fps, "worst_rgb_error": worst}
    assert size == (1280, 720)
    assert fps == 30
    assert None not in numbers
    assert len(set(numbers)) > 1, "a still"
    assert worst <= 4  # there and back through BT.601 limited range


def test_a_camera_only_while_pictures_come() -> None:
    """`exclusive_caps=1`: an output at rest, a camera while pictures come, which is what browsers ask for."""

    def caps() -> str:
        text = subprocess.run(
            ["v4l2-ctl", "-d", "/dev/video10", "-D"], check=True, capture_output=True, text=True
        ).stdout
        return text[text.index("Device Caps") :]

    assert [one.taken for one in find_loopbacks()] == [False] * 3
    assert [one.open_caps for one in find_loopbacks()] == [False, False, True]
    assert "Video Output" in caps()
    assert "Video Capture" not in caps()
    for _ in range(2):  # and a second time: the module alone would not let go of its first writer
        with sending(320, 180, "FaceAnime", canvas=(320, 180), fps=25):
            assert "Video Capture" in caps()
            assert "Video Output" not in caps()
            assert Path("/sys/class/video4linux/video10/format").read_text().strip() == "YU12:320x180@25"
        assert "Video Output" in caps()
    import pyvirtualcam

    with pyvirtualcam.Camera(320, 180, 30, device="/dev/video10") as camera:
        camera.send(np.zeros((180, 320, 3), np.uint8))
    assert "Video Output" not in caps(), "pyvirtualcam has learnt STREAMON: `Claim.start` can go"
    with sending(320, 180, canvas=(320, 180)):
        assert "Video Capture" in caps()


def test_taken_devices_and_second_instance() -> None:
    """A second run takes the next free device; when all are taken it names the program that has one."""
    with sending(320, 180, None, canvas=(320, 180)) as first, sending(320, 180, None, canvas=(320, 180)) as second:
        assert "/dev/video10" in first.output.name
        assert "/dev/video11" in second.output.name
        with sending(320, 180, None, canvas=(320, 180)) as third:
            assert "/dev/video12 (Shared); browsers want exclusive_caps=1" in third.output.name
            with pytest.raises(OutputError, match="is in use by"):
                VcamOutput(Config()).check()
    other = subprocess.Popen(["ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i",
                              "testsrc=s=320x180", "-pix_fmt", "yuv420p", "-f", "v4l2", "/dev/video10"])  # fmt: skip
    try:
        wait_for(lambda: read_format("/dev/video10"))
        with pytest.raises(
            OutputError, match=rf"/dev/video10 is in use by another program \(ffmpeg \({other.pid}\)\)"
        ) as why:
            VcamOutput(Config(), "/dev/video10").check()
        assert "devices=2 exclusive_caps=1,1" in why.value.hint
    finally:
        other.kill()
        other.wait()
    with pytest.raises(OutputError, match="/dev/video99 is no virtual camera"):
        VcamOutput(Config(), "/dev/video99").check()


def test_a_reader_that_stays_fixes_the_format() -> None:
    """An app that keeps the camera open keeps its size: the engine falls in with it, or says so when told otherwise."""
    with sending(640, 360, canvas=(640, 360), vcam_format="yuyv"):
        wait_for(lambda: read_format("/dev/video10"))
        reader = os.open("/dev/video10", os.O_RDWR)
    try:
        with (
            pytest.raises(OutputError, match=r"stays 640x360 YUYV.*Close the apps"),
            sending(320, 180, canvas=(320, 180)),
        ):
            pass
        with sending(640, 360) as sent:
            assert "640x360 yuyv" in sent.output.name
            ((_, data),) = ffmpeg_read("/dev/video10", 1, 640 * 360 * 2)
        number = decode(unpack(data, "YUYV", 640, 360)[0])
        assert number is not None
        assert worst_error(data, "YUYV", coded(number, 640, 360)) <= ROUNDING
    finally:
        os.close(reader)


def test_no_device_names_the_command() -> None:
    assert unload().returncode == 0
    process = run_live("--output", "vcam", "--seconds", "2")
    _, words = process.communicate(timeout=100)
    load()
    assert process.returncode == 1
    assert words.count("\n") <= 2
    assert "there is no virtual camera device" in words
    assert "sudo modprobe v4l2loopback devices=1 exclusive_caps=1 max_buffers=4 card_label=FaceAnime" in words


def test_run_live_shows_the_puppet(tmp_path: Path, figures: dict[str, Any]) -> None:
    """`run_live.py` shows the puppet to a reader; the module cannot be pulled from under it; a device that goes away
    ends that output alone."""
    import av

    video = tmp_path / "out.mp4"
    process = run_live("--output", "vcam", "--output", str(video), "--seconds", "10")
    wait_for(lambda: read_format("/dev/video10") or process.poll() is not None, 120)
    got = ffmpeg_read("/dev/video10", 6, 1280 * 720 * 3 // 2)
    refused = unload()
    Path("/dev/video10").unlink()
    _, words = process.communicate(timeout=100)
    assert "sending to virtual camera /dev/video10 (FaceAnime), 1280x720 i420" in words
    assert refused.returncode != 0
    assert "in use" in refused.stderr
    assert "/dev/video10 went away" in words
    assert "The other outputs go on" in words
    assert process.returncode == 1
    with av.open(str(video)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.duration / 1e6 > 8, "the file ended with the camera"
    canvas = Canvas(1280, 720)
    shown = [to_luma(canvas.place(np.ascontiguousarray(picture))) for picture in pictures]
    found = []  # for each picture read, how far it is from the nearest one in the file
    for _, data in got:
        luma = unpack(data, "YU12", 1280, 720)[0]
        found.append(min(float(cv2.absdiff(one, luma).mean()) for one in shown))
    picture = np.frombuffer(got[-1][1], np.uint8).reshape(1080, 1280)
    cv2.imwrite(str(SHARE / "engine.png"), cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420))
    figures["engine"] = {"mean_luma_difference_to_file": round(max(found), 2), "fps": len(pictures) / 10}
    assert float(np.std(to_luma(pictures[-1]))) > 20, "no picture"
    assert max(found) < 3, "the reader sees something else than the file"


def to_luma(rgb: np.ndarray) -> np.ndarray:
    """Return luma of BT.601, limited range."""
    height, width = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    return cv2.cvtColor(np.ascontiguousarray(rgb[:height, :width]), cv2.COLOR_RGB2YUV_I420)[:height]
