"""The virtual camera without one: devices, formats, and what is said when there is none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fakes import Said
from pictures import bars, composite

from realtime.clock import FakeClock
from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.outputs.choose import choose_outputs
from realtime.outputs.loopback import Fixed, Loopback, find_loopbacks
from realtime.outputs.null import NullOutput
from realtime.outputs.vcam import VcamOutput, _packed


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
