"""Real UDP sockets on the loopback: a sender drives the engine, and the engine drives a receiver."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from fakes import Collector, FakePredictor, assembler, params
from fakes import stages as fake_stages
from packets import face, phone_packet

from models import rotation
from models.face import UNIT, FaceParams
from models.motion import neutral_params
from models.turning import true_turn
from realtime.capture.choose import Choice, check_pace, choose_driver, open_driver
from realtime.clock import NS_PER_S, MonotonicClock
from realtime.config import Config
from realtime.errors import DriverError, OutputError, UserError
from realtime.notices import Notice
from realtime.outputs.base import Stream
from realtime.outputs.choose import choose_outputs
from realtime.outputs.null import NullOutput
from realtime.pipeline import Engine, run
from realtime.protocols import ifacialmocap, vmc
from realtime.protocols.receiver import RemoteDriver
from realtime.protocols.vmc_output import VmcOutput
from realtime.types import Composite, DriverMotion, Tracked


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Player:
    """Sends packets at 60 a second from a thread until it is told to stop."""

    def __init__(self, port: int, packet: Callable[[float], list[bytes]], seconds: float = 30.0) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, args=(port, packet, seconds), daemon=True)

    def _play(self, port: int, packet: Callable[[float], list[bytes]], seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for i in range(int(seconds * 60)):
                for datagram in packet(i / 60):
                    out.sendto(datagram, ("127.0.0.1", port))
                if self._stop.wait(1 / 60):
                    return

    def __enter__(self) -> Player:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2)


def take(driver: RemoteDriver, count: int) -> list[Tracked]:
    got = []
    for item in driver:
        assert isinstance(item, Tracked)
        got.append(item)
        if len(got) == count:
            break
    driver.close()
    return got


def test_words_after_driver_and_output() -> None:
    assert choose_driver(Config(driver="vmc://:39540"), lambda _: None) == Choice("remote", "vmc://:39540")
    assert not Choice("remote", "ifacialmocap://").has_pictures
    with pytest.raises(DriverError, match="offline"):
        check_pace(Choice("remote", "vmc://"), Config(driver="vmc://", pace="offline"))
    for bad in ("vmc://:0", "vmc://:x", "vmc://:1/path"):
        with pytest.raises(DriverError, match="scheme://host:port"):
            RemoteDriver(bad, MonotonicClock(), lambda _: None)
    with pytest.raises(DriverError, match="no machine called nowhere"):
        RemoteDriver("ifacialmocap://nowhere.invalid", MonotonicClock(), lambda _: None)
    with pytest.raises(OutputError, match="host is missing"):
        VmcOutput("vmc://:39539")
    config = Config(output=("vmc://127.0.0.1:39539",))
    assert [o.name for o in choose_outputs(config, lambda _: None, NullOutput)] == ["vmc://127.0.0.1:39539"]


def test_a_port_that_is_taken_says_what_to_do() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DriverError, match="cannot be opened") as error:
            RemoteDriver(f"vmc://:{taken.getsockname()[1]}", MonotonicClock(), lambda _: None)
        assert "Close the program" in str(error.value)
    with pytest.raises(DriverError, match="cannot be opened"):
        RemoteDriver("vmc://203.0.113.7:39540", MonotonicClock(), lambda _: None)


def test_a_vmc_driver_listens_to_this_machine_unless_told_otherwise() -> None:
    for url, host in (("vmc://:{}", "127.0.0.1"), ("vmc://0.0.0.0:{}", "0.0.0.0"), ("ifacialmocap://:{}", "0.0.0.0")):
        driver = RemoteDriver(url.format(free_port()), MonotonicClock(), lambda _: None)
        assert driver.address[0] == host
        driver.close()
        assert list(driver) == []


def test_missing_package_is_named_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pythonosc", None)
    with pytest.raises(UserError, match="pip install python-osc"):
        RemoteDriver("vmc://:39540", MonotonicClock(), lambda _: None)


def test_rubbish_between_good_packets_is_counted_and_does_no_harm() -> None:
    port, said = free_port(), list[Notice]()
    driver = open_driver(Choice("remote", f"vmc://:{port}"), Config(), MonotonicClock(), said.append)
    assert isinstance(driver, RemoteDriver)
    with Player(port, lambda t: [b"rubbish", *vmc.encode(face(0.4), t), b"\xff" * 40]):
        got = take(driver, 10)
    assert all(item.params is not None and item.params.expression[UNIT["jawOpen"]] > 0.39 for item in got)
    assert [item.seq for item in got] == list(range(10))
    assert all(b.captured_ns > a.captured_ns for a, b in pairwise(got))
    figures = driver.figures
    assert figures["frames"] >= 10
    assert figures["malformed"] >= 18
    assert "receiving from 127.0.0.1" in said[0].text


def test_the_phone_is_greeted_and_only_it_is_heard() -> None:
    """The phone has an address of its own (127.0.0.2); another sender is ignored."""
    port = free_port("0.0.0.0")
    driver = RemoteDriver(f"ifacialmocap://127.0.0.2:{port}", MonotonicClock(), lambda _: None)
    items: list[Tracked] = []
    reader = threading.Thread(target=lambda: items.extend(take(driver, 5)), daemon=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone, Player(port, lambda t: [phone_packet({})]):
        phone.bind(("127.0.0.2", port))
        phone.settimeout(5)
        reader.start()
        hello, back = phone.recvfrom(1000)
        assert hello.startswith(b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719")
        assert hello == ifacialmocap.HELLO
        until = time.monotonic() + 5
        while not driver.figures["ignored"] and time.monotonic() < until:  # the other sender may start late
            time.sleep(0.01)
        for i in range(5):
            phone.sendto(phone_packet({"jawOpen": 0.1 * (i + 1)}, mark="&"), back)
        reader.join(5)
    jaws = [float(item.params.expression[UNIT["jawOpen"]]) for item in items if item.params is not None]
    assert np.allclose(jaws, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert driver.figures["ignored"] > 0


@pytest.mark.parametrize("scheme", ["vmc", "ifacialmocap"])
def test_a_sender_opens_the_jaw_of_the_real_photo(scheme: str) -> None:
    """The whole way: packets, sockets, calibration, prediction, transfer, the real puppet, the output picture."""
    port, out = free_port("0.0.0.0"), Collector()

    def packet(t: float) -> list[bytes]:
        jaw = 0.75 if len(out.sent) > 50 else 0.0
        wobble = 0.02 * float(np.sin(9 * t))
        if scheme == "vmc":
            return vmc.encode(face(jaw, (0.0, wobble, 0.0)), t)
        return [phone_packet({"jawOpen": jaw}, (0, float(np.degrees(wobble)), 0, 0, 0, -0.6))]

    config = Config(driver=f"{scheme}://127.0.0.1:{port}" if scheme == "vmc" else f"{scheme}://:{port}",
                    seconds=6.0, size=192, generator="off", fps=20)  # fmt: skip
    with Player(port, packet, seconds=120.0):
        report = run(config, outputs=[out])
    driven = [c for c in out.sent if c.driven]
    assert len(driven) > 20
    assert report["tracked"] > 40
    assert report["protocols"][config.driver]["malformed"] == 0
    assert report["latency_ms"]["p50"] < 500  # a queue would take seconds
    quiet = [c for c in driven if c.motion is not None and c.motion.params.expression[UNIT["jawOpen"]] < 0.05]
    wide = [c for c in driven if c.motion is not None and c.motion.params.expression[UNIT["jawOpen"]] > 0.7]
    difference = np.abs(wide[-1].rgb.astype(int) - quiet[-1].rgb).mean(2)
    rows = difference.mean(1)
    centre = float((rows * np.arange(len(rows))).sum() / rows.sum() / len(rows))
    assert difference.max() > 40  # the mouth has opened,
    assert 0.4 < centre < 0.75  # below the middle of the portrait


def test_a_sender_that_falls_silent_counts_as_a_lost_face() -> None:
    port, out = free_port(), Collector()
    engine = Engine(Config(driver=f"vmc://:{port}", seconds=4.0, neutral="first"), outputs=[out],
                    assemble=assembler(fake_stages()))  # fmt: skip
    with Player(port, lambda t: vmc.encode(face(0.5), t), seconds=0.8):
        engine.run()
    assert any(c.driven for c in out.sent)
    assert not out.sent[-1].driven  # idles again, and was never stuck
    assert out.sent[-1].motion is None


def stream(clock: MonotonicClock, stamped: bool = False) -> Stream:
    return Stream(16, 16, Fraction(30), clock, stamped=stamped)


def composite(motion: DriverMotion | None) -> Composite:
    return Composite(1, 0, np.zeros((16, 16, 3), np.uint8), 0, motion is not None, motion)


def test_the_vmc_output_sends_numbers_and_never_a_picture() -> None:
    clock = MonotonicClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        app.bind(("127.0.0.1", 0))
        app.settimeout(2)
        output = VmcOutput(f"vmc://127.0.0.1:{app.getsockname()[1]}")
        with pytest.raises(OutputError, match="offline"):
            output.open(stream(clock, stamped=True))
        output.open(stream(clock))
        decoder, frames = vmc.Decoder(), list[FaceParams | None]()
        moved = face(0.7, (0.0, 0.3, 0.0), jawForward=0.2)
        for motion in (DriverMotion(moved, face(0.2)), None, DriverMotion(moved, None)):
            output.send(composite(motion))
            for _ in range(1 if motion is None else len(vmc.encode(moved, 0.0))):
                datagram = app.recv(65_535)
                assert len(datagram) < 1472  # a picture would not fit
                frames += decoder.feed(datagram, 0)
        output.close(complete=True)
        assert output.figures == {"frames": 2, "no_face": 1}
    assert frames[0] is not None
    assert frames[0].expression[UNIT["jawOpen"]] == pytest.approx(0.5)  # from neutral
    assert np.allclose(rotation.log(frames[0].rotation), [0, 0.3, 0], atol=1e-5)
    assert frames[1] is None
    assert frames[2] is not None
    assert frames[2].expression[UNIT["jawOpen"]] == pytest.approx(0.7)  # neutral is not known yet


@pytest.mark.parametrize("pictured", [False, True])
def test_a_turn_that_we_read_from_pictures_is_told_as_it_truly_was(pictured: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        app.bind(("127.0.0.1", 0))
        app.settimeout(2)
        output = VmcOutput(f"vmc://127.0.0.1:{app.getsockname()[1]}")
        output.open(stream(MonotonicClock()))
        moved = face(0.2, (0.0, 0.3, 0.0))
        output.send(composite(DriverMotion(moved, face(0.2), pictured)))
        decoder, frames = vmc.Decoder(), list[FaceParams | None]()
        for _ in range(len(vmc.encode(moved, 0.0))):
            frames += decoder.feed(app.recv(65_535), 0)
        output.close(complete=True)
    assert frames[0] is not None
    told = true_turn(moved, face(0.2)) if pictured else moved.rotation
    assert np.allclose(rotation.log(frames[0].rotation), rotation.log(told), atol=1e-5)
    assert (abs(rotation.log(frames[0].rotation)[1] - 0.3) > 0.005) == pictured


def test_nobody_listening_is_no_error() -> None:
    output = VmcOutput(f"vmc://127.0.0.1:{free_port()}")
    output.open(stream(MonotonicClock()))
    for _ in range(5):
        output.send(composite(DriverMotion(face(), neutral_params())))
    output.close(complete=True)


def test_one_engine_drives_another_over_vmc() -> None:
    """Imagined motion goes out of one engine and into a second: the same jaw, within its smoothing."""
    port, out, seen = free_port(), Collector(), list[float]()

    class Sways:
        def params_at(self, t_ns: int) -> FaceParams:
            return params(0.5 - 0.5 * float(np.cos(2 * np.pi * t_ns / NS_PER_S)))

    sender = replace(fake_stages(), imagine=Sways())  # type: ignore[arg-type]
    first = Engine(Config(driver="imagine", seconds=2.5), outputs=[VmcOutput(f"vmc://127.0.0.1:{port}")],
                   assemble=assembler(sender))  # fmt: skip
    second = Engine(Config(driver=f"vmc://:{port}", seconds=2.0, neutral="first"), outputs=[out],
                    assemble=assembler(fake_stages(predictor=FakePredictor())))  # fmt: skip
    thread = threading.Thread(target=first.run, daemon=True)
    thread.start()
    report = second.run()
    thread.join(5)
    seen = [float(c.motion.params.expression[UNIT["jawOpen"]]) for c in out.sent if c.motion is not None]
    assert min(seen) < 0.1
    assert max(seen) > 0.9
    assert report["protocols"][f"vmc://:{port}"]["malformed"] == 0
