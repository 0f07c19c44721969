"""Page, stream, canvas, and the choice of outputs: what arrives, and what is said when nothing can."""

from __future__ import annotations

import contextlib
import socket
import threading
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from fakes import Said
from pictures import bars, composite, person

from realtime.backdrop import GREEN
from realtime.clock import FakeClock
from realtime.config import Config
from realtime.curtain import Curtain
from realtime.errors import OutputError
from realtime.outputs.alpha import stacked, straight
from realtime.outputs.base import Stream
from realtime.outputs.canvas import Canvas
from realtime.outputs.choose import choose_outputs
from realtime.outputs.null import NullOutput
from realtime.outputs.staged import Staged
from realtime.outputs.udp import UdpOutput
from realtime.outputs.vcam import VcamOutput
from realtime.preview.server import PreviewOutput
from realtime.types import Composite


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


def test_canvas_holds_the_whole_picture_and_a_still_surround() -> None:
    canvas = Canvas(1280, 720)
    first, second = canvas.place(bars(96, 128)), canvas.place(np.full((128, 96, 3), 255, np.uint8))
    assert first.shape == (720, 1280, 3)
    assert (second[:, 640 - 270 : 640 + 270] == 255).all()
    assert (first[:, :300] == second[:, :300]).all()
    assert second[:, :300].mean() < 160
    assert canvas.place(first) is first


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
