"""Video files: frames, rate, colours, sound, opacity, and what is left of a file that fails."""

from __future__ import annotations

import errno
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fakes import Said
from pictures import COLOURS, bars, composite, person, read, write

from realtime.backdrop import GREEN
from realtime.clock import NS_PER_S, FakeClock
from realtime.config import Config
from realtime.errors import OutputError
from realtime.outputs.base import Stream
from realtime.outputs.choose import choose_outputs
from realtime.outputs.null import NullOutput
from realtime.outputs.video import VideoOutput


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
