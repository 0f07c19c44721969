"""A whole session on fake faces: real engine, real server, real settings; a puppet shows its picture's mean colour."""

from __future__ import annotations

import io
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from fakes import FakeCalibration, FakeImagine, FakePredictor, FakePuppet, FakeTracker, Said, params
from PIL import Image

from models.motion import blend, neutral_params
from realtime.capture.base import Pictures
from realtime.config import Config
from realtime.errors import UserError
from realtime.notices import Notices
from realtime.session import Session
from realtime.stages import Dressed, Stages
from realtime.types import U8


class ColourPuppet(FakePuppet):
    """The picture's mean colour, brighter by up to 60 with the jaw; the left third is the background."""

    def __init__(self, path: Path, size: int | None, finished: bool) -> None:
        super().__init__((size or 64, size or 64))
        with Image.open(path) as opened:
            self.colour = np.asarray(opened.convert("RGB").resize((1, 1), Image.Resampling.BOX), np.float32)[0, 0]
        self.generator = self.has_generator = finished

    def set_generator(self, on: bool) -> None:
        self.generator = on and self.has_generator

    def render(self, params: object) -> U8:
        jaw = float(params.expression[24])  # type: ignore[attr-defined]
        rgb = np.empty((self.size[1], self.size[0], 3), np.uint8)
        rgb[:] = np.clip(self.colour * 0.7 + 60 * jaw, 0, 255).astype(np.uint8)
        if self.plate is not None:
            rgb[:, : self.size[0] // 3] = self.plate[:, : self.size[0] // 3]
        return rgb


def backdrop(word: str, size: int) -> U8 | None:
    colours = {"own": None, "blur": (90, 90, 90), "green": (0, 177, 64), "alpha": (0, 177, 64)}
    colour = colours.get(word, (200, 0, 200))
    return None if colour is None else np.full((size, size, 3), colour, np.uint8)


def fake_assemble(tracker: FakeTracker | None = None, slow_s: float = 0.0) -> Callable[..., Stages]:
    """An assembly whose sources are `ColourPuppet`s; preparing one takes `slow_s`."""

    def dress(path: Path, size: int | None, finished: bool) -> Dressed:
        time.sleep(slow_s)
        if not path.exists():
            raise UserError(f"source {path}", "there is no such file", "Check the path")
        puppet = ColourPuppet(path, size, finished)
        return Dressed(puppet, "cpu", lambda word: backdrop(word, puppet.size[0]))

    def assemble(config: Config, notices: Notices, *, pictures: bool) -> Stages:
        from realtime.assembly import source_path

        first = dress(source_path(config, notices), config.size, config.generator == "live")
        first.puppet.set_backdrop(first.backdrop(config.background))
        seen = tracker or FakeTracker(lambda i: params(1.0))
        return Stages(seen, FakeCalibration(), FakePredictor(), FakeImagine(), first.puppet, neutral_params(), blend,
                      "cpu", dress, first)  # fmt: skip

    return assemble


def png(colour: tuple[int, int, int], side: int = 96, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, kind)
    return out.getvalue()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Live:
    """A session under way."""

    session: Session
    config: Config
    said: Said
    tracker: FakeTracker
    thread: threading.Thread
    errors: list[BaseException]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20)

    def picture(self) -> U8:
        with self.client() as client:
            got = client.get("/api/preview.jpg")
        return np.asarray(Image.open(io.BytesIO(got.content)).convert("RGB"))


def wait_for(what: Callable[[], object], bound_s: float = 20.0) -> None:
    """Wait until `what` is true."""
    end = time.monotonic() + bound_s
    while not what():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@contextmanager
def live(folder: Path, slow_s: float = 0.0, tracker: FakeTracker | None = None, given: tuple[str, ...] = (),
         **changes: object) -> Iterator[Live]:  # fmt: skip
    """A session with its page, driven by endless small pictures of a face whose jaw is open."""
    import os

    tracker = tracker or FakeTracker(lambda i: params(1.0))
    values = {"output": ("preview",), "size": 64, "neutral": "first", "driver": "fake", "fps": 30, **changes}
    config = Config(port=free_port(), given=frozenset({"size", "driver", *given}), **values)  # type: ignore[arg-type]
    said, errors = Said(), []
    session = Session(config, assemble=fake_assemble(tracker, slow_s), notices=said)
    grey = np.zeros((24, 32, 3), np.uint8)
    session.driver = lambda: Pictures(itertools.repeat(grey), 30)
    before = os.environ.get("FACEANIME_CONFIG")
    os.environ["FACEANIME_CONFIG"] = str(folder)

    def work() -> None:
        try:
            session.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    made = Live(session, config, said, tracker, thread, errors)

    def answers() -> bool:
        if errors:
            raise errors[0]
        try:
            with made.client() as client:
                running = client.get("/api/state").json()["run"] == "running"
                return running and client.get("/api/figures").json()["driven"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    try:
        wait_for(answers, 40)
        time.sleep(0.6)  # the picture has eased from rest to the driver
        yield made
    finally:
        session.stop()
        thread.join(15)
        if before is None:
            os.environ.pop("FACEANIME_CONFIG", None)
        else:
            os.environ["FACEANIME_CONFIG"] = before
    assert not thread.is_alive()
