"""The real models behind the real engine, small: a file drives the default portrait."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import Collector, Said

from benchmarks.replay import Replay
from models.puppet import Puppet
from models.source import prepare_source
from realtime.assembly import picture_size, source_path
from realtime.capture.base import Pictures
from realtime.config import Config
from realtime.errors import DriverError
from realtime.pipeline import run
from realtime.types import U8, Composite

OFFLINE = Config(pace="offline", neutral="first", size=192, generator="off")


def speaking(count: int) -> list[U8]:
    """Pictures of a face that moves, made by the engine itself."""
    out = Collector()
    run(Config(driver="imagine", seconds=count / 30, pace="offline", size=256, generator="off"), outputs=[out])
    return [composite.rgb for composite in out.sent]


@pytest.fixture(scope="module")
def face() -> list[U8]:
    return speaking(20)


def test_a_file_drives_the_photo_the_same_way_each_time(face: list[U8], tmp_path: Path) -> None:
    outs = [Collector(), Collector()]
    reports = [run(OFFLINE, driver=Pictures(face, 25), outputs=[out]) for out in outs]
    assert [len(out.sent) for out in outs] == [20, 20]
    assert reports[0]["tracked"] == 20
    assert reports[0]["idle"] == reports[0]["render_errors"] == reports[0]["tracker_errors"] == 0
    for a, b in zip(outs[0].sent, outs[1].sent, strict=True):
        assert np.array_equal(a.rgb, b.rgb)
    still = np.abs(outs[0].sent[0].rgb.astype(int) - outs[0].sent[-1].rgb).mean()
    assert still > 0.2  # it moves


def test_benchmarks_judge_the_pictures_that_the_engine_makes(face: list[U8]) -> None:
    out = Collector()
    run(OFFLINE, driver=Pictures(face, 25), outputs=[out])
    source = prepare_source(source_path(OFFLINE, Said()), OFFLINE.size or 0)
    shown = Replay(Puppet(source)).show(Replay(None).track(face, 25)[0])
    for ours, theirs in zip(out.sent, shown, strict=True):
        assert np.array_equal(ours.rgb, theirs)


def test_two_people_are_driven_by_one_of_them(face: list[U8]) -> None:
    alone = Collector()
    run(OFFLINE, driver=Pictures(face), outputs=[alone])
    pairs = [np.ascontiguousarray(np.hstack([rgb, rgb[::2, ::2].repeat(2, 0)[: rgb.shape[0]]])) for rgb in face]
    out = Collector()
    report = run(OFFLINE, driver=Pictures(pairs), outputs=[out])
    assert report["tracked"] == 20

    def steps(sent: list[Composite]) -> list[float]:
        return [float(np.abs(a.rgb.astype(int) - b.rgb).mean()) for a, b in pairwise(sent)]

    # The motion never hops from one face to the other: it is as even as that of the one face alone.
    assert max(steps(out.sent)) < 1.5 * max(steps(alone.sent))


def test_driver_without_a_face_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    path = tmp_path / "o.mp4"
    with pytest.raises(DriverError, match="no face was found in any of its 5 frames"):
        run(Config(pace="offline", size=192, generator="off", output=(str(path),)), driver=Pictures([noise] * 5))
    assert not list(tmp_path.iterdir())


def test_file_to_file_through_containers(face: list[U8], tmp_path: Path) -> None:
    clip, made = tmp_path / "clip.mp4", tmp_path / "made.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        height, width = (side - side % 2 for side in face[0].shape[:2])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for rgb in face:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    report = run(replace(OFFLINE, driver=str(clip), output=(str(made),)))
    assert report["frames_out"] == 20
    with av.open(str(made)) as container:
        assert container.streams.video[0].average_rate == 24
        assert sum(1 for _ in container.decode(video=0)) == 20


def test_size_follows_the_canvas() -> None:
    said = Said()
    portrait = source_path(Config(), said)
    assert "Grace Hopper" in said.text
    assert picture_size(Config(), portrait) == 512
    assert picture_size(Config(size=300), portrait) == 300
    assert picture_size(Config(canvas=(1280, 720)), portrait) == 720
